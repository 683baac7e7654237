// What a trace of Chromium says: how long the page's main thread worked in each
// frame of 1/60 s, by its own processor time and by the clock on the wall, which
// other processes lengthen; and how many frames showed nothing new.

const FRAME_US = 1e6 / 60;

export function summary(events) {
  const names = events.filter(({ name }) => name === 'thread_name');
  const main = mainThread(events, names);
  const tasks = events.filter(({ name, ph, pid, tid }) => name === 'ThreadControllerImpl::RunTask' && ph === 'X' && pid === main.pid && tid === main.tid);
  return { work: quantiles(perFrame(tasks, ({ dur, tdur }) => (tdur ?? dur) / dur)), time: quantiles(perFrame(tasks, () => 1)), ...frames(events, main.pid) };
}

// A browser keeps a spare renderer: the page's is the one that made frames.
function mainThread(events, names) {
  const pid = events.find(({ name }) => name === 'PipelineReporter')?.pid;
  const mains = names.filter(({ args }) => args.name === 'CrRendererMain');
  return mains.find((thread) => thread.pid === pid) ?? mains[0];
}

// perFrame lays a grid of frames over the tasks' time and adds up, in
// milliseconds, what share of them falls into each. Tasks within tasks count once.
function perFrame(tasks, share) {
  tasks.sort((a, b) => a.ts - b.ts);
  const begin = tasks[0].ts;
  const end = tasks.at(-1).ts;
  const work = new Float64Array(Math.ceil((end - begin) / FRAME_US) + 1);
  let counted = begin;
  for (const task of tasks) {
    const { ts, dur } = task;
    let from = Math.max(ts, counted);
    const to = Math.min(ts + dur, end);
    while (from < to) {
      const frame = Math.floor((from - begin) / FRAME_US);
      const until = Math.min(to, begin + (frame + 1) * FRAME_US + 0.001);
      work[frame] += (share(task) * (until - from)) / 1000;
      from = until;
    }
    counted = Math.max(counted, to);
  }
  return work.sort();
}

function quantiles(sorted) {
  return [0.5, 0.95, 0.99, 1].map((q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]);
}

// Frames are numbered by the display's beat. One is missed if nothing new of it
// was presented: neither a whole frame, nor, where the compositor moves things
// by itself, its part of one.
function frames(events, pid) {
  const shown = new Set();
  let [first, last] = [Infinity, -Infinity];
  for (const { name, ph, pid: of, args } of events) {
    const report = args?.frame_reporter;
    if (name !== 'PipelineReporter' || ph !== 'b' || of !== pid || !report) continue;
    const { frame_sequence: number, state, has_compositor_animation: byItself } = report;
    [first, last] = [Math.min(first, number), Math.max(last, number)];
    if (state === 'STATE_PRESENTED_ALL' || (state === 'STATE_PRESENTED_PARTIAL' && byItself)) shown.add(number);
  }
  if (last < first) return { missed: 0, frames: 0 };
  const all = last - first + 1;
  return { missed: 1 - shown.size / all, frames: all };
}
