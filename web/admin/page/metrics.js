// Reads /metrics, and what changed between two readings. The format is Prometheus' text.

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g;

export class Reading {
  constructor(text, at) {
    this.at = at;
    this.samples = new Map(); // name to [{ labels, value }]
    for (const line of text.split('\n')) {
      const [, name, labels, value] = LINE.exec(line) ?? [];
      if (!name) continue;
      const all = {};
      for (const [, key, escaped] of (labels ?? '').matchAll(LABEL)) all[key] = escaped;
      if (!this.samples.has(name)) this.samples.set(name, []);
      this.samples.get(name).push({ labels: all, value: value === '+Inf' ? Infinity : Number(value) });
    }
  }

  // has tells whether the server has a metric at all: without Redis it has none of Redis.
  has(name) {
    return this.samples.has(`barrage_${name}`);
  }

  // sum adds up the samples whose label has one of the values; without a label all.
  sum(name, label, ...values) {
    let total = 0;
    for (const s of this.samples.get(`barrage_${name}`) ?? []) {
      if (!label || values.includes(s.labels[label])) total += s.value;
    }
    return total;
  }

  label(name, label) {
    return this.samples.get(`barrage_${name}`)?.[0]?.labels[label] ?? '';
  }
}

// Span is what happened from one reading to another.
export class Span {
  constructor(before, now) {
    [this.before, this.now] = [before, now];
    this.seconds = (now.at - before.at) / 1000;
  }

  // increase is 0 where the server was started anew meanwhile.
  increase(...what) {
    return Math.max(0, this.now.sum(...what) - this.before.sum(...what));
  }

  rate(...what) {
    return this.seconds > 0 ? this.increase(...what) / this.seconds : 0;
  }

  // quantile is the bound of the bucket that the quantile is in, in seconds; NaN if nothing
  // happened.
  quantile(name, q) {
    const buckets = (this.now.samples.get(`barrage_${name}_bucket`) ?? []).map((s) => {
      const le = s.labels.le;
      const had = this.before.sum(`${name}_bucket`, 'le', le);
      return { le: le === '+Inf' ? Infinity : Number(le), n: Math.max(0, s.value - had) };
    });
    buckets.sort((a, b) => a.le - b.le);
    const all = buckets.at(-1)?.n ?? 0;
    if (!all) return NaN;
    return buckets.find((b) => b.n >= q * all).le;
  }
}
