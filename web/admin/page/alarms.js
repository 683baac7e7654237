// The alarms: what the page watches, docs/operations.md lists and deploy/alerts.yml gives
// to Prometheus, all three from this list (a test holds them together).

// of: the metric, without its prefix; label and is: one of its series. Without over it is
// the value that counts, else its increase over so many minutes.
export const alarms = [
  { name: 'RedisUnreachable', of: 'redis_probe_success', op: '==', than: 0, lasts: '10s', page: true, because: 'nodes are on their own', act: 'nothing here: local delivery goes on, and it comes back by itself; look at Redis' },
  { name: 'MessagesLost', of: 'redis_gaps_total', over: 5, because: 'viewers lost messages for good', act: 'give rooms longer histories (`history`), and Redis `appendfsync always` or replicas' },
  { name: 'RedisEvicts', of: 'redis_evicted_keys_total', over: 5, because: 'Redis throws histories and mailboxes away', act: '`maxmemory-policy noeviction`, and more memory for Redis' },
  { name: 'RoomsCatchUpSlowly', of: 'redis_rooms_catching_up', lasts: '1m', because: 'histories cannot be read: Redis is too slow, or the network', act: "Redis's own log; `redis_timeout` on a slow network" },
  { name: 'LocalOnly', of: 'redis_local_only_total', over: 5, because: 'messages that only one node saw', act: 'see to Redis; `redis_outage: refuse` where every message counts' },
  { name: 'RedisQueueFull', of: 'redis_messages_dropped_total', label: 'reason', is: 'queue_full', over: 5, because: 'Redis takes less than is published', act: 'a faster Redis or a shorter way to it; lower `publish_rate`' },
  { name: 'PresenceIsLocal', of: 'presence_store_down', because: "counts are this node's", act: 'see to Redis' },
  { name: 'HistoriesDropped', of: 'histories_dropped_total', over: 60, because: 'the memory for histories is too small', act: 'shorten `history` or use Redis' },
  { name: 'TokensRefused', of: 'tokens_total', label: 'result', is: 'refused', over: 5, than: 100, because: 'a secret or key was changed on one side only, clocks differ, or tokens are being guessed', act: 'compare `auth_secret` or keys with the issuer, and the clocks' },
  { name: 'LogLost', of: 'log_lines_dropped_total', over: 5, because: 'nobody reads the log, or its disk is full', act: 'free the disk, or start again who reads the log' },
  { name: 'EventsWait', of: 'events_waiting', than: 1000, lasts: '1m', because: 'the backend is down or refuses', act: "the backend's log; what waits too long expires and is lost" },
  { name: 'ViewersTooSlow', of: 'messages_skipped_total', label: 'reason', is: 'slow', over: 5, because: 'viewers miss messages in busy rooms', act: '`room_log_bytes`; is the room above what a phone can read?' },
  { name: 'Full', of: 'handshakes_total', label: 'result', is: '503', over: 5, page: true, because: 'viewers are turned away: the server is full or stopping', act: 'raise `max_connections` (`barrage check` tells what limits it), or add nodes' },
  { name: 'OutOfDescriptors', of: 'accept_errors_total', label: 'reason', is: 'emfile', over: 5, page: true, because: 'no further connection can be accepted', act: 'raise LimitNOFILE; existing viewers are served meanwhile' },
  { name: 'Panics', of: 'panics_total', over: 60, because: 'a fault of the server; each cost one connection', act: 'keep the log, and report it' },
];

export const threshold = (a) => `${a.op ?? '>'} ${a.than ?? 0}`;

export const expression = (a, prefix = 'barrage_') => {
  const series = prefix + a.of + (a.label ? `{${a.label}="${a.is}"}` : '');
  return `${a.over ? `increase(${series}[${a.over}m])` : series} ${threshold(a)}`;
};

// row is an alarm's in the table of docs/operations.md.
export const row = (a) => `| \`${expression(a, '')}\`${a.lasts ? ` for ${a.lasts}` : ''} | ${a.because} | ${a.act} |`;

// rules is deploy/alerts.yml.
export const rules = () =>
  `# What Prometheus should wake somebody for: the alarms of docs/operations.md.
groups:
  - name: barrage
    rules:
${alarms
  .map(
    (a) => `      - alert: Barrage${a.name}
        expr: ${JSON.stringify(expression(a))}
${a.lasts ? `        for: ${a.lasts}\n` : ''}        labels: {severity: ${a.page ? 'page' : 'ticket'}}
        annotations:
          summary: ${JSON.stringify(a.because)}
          description: ${JSON.stringify(a.act)}
`,
  )
  .join('')}`;

// fires tells whether an alarm is on: for a value the newest reading says so, for an increase
// the span from the oldest that is not older than its minutes.
export function fires(a, now, span) {
  if (!now.has(a.of)) return false;
  const what = a.label ? [a.of, a.label, a.is] : [a.of];
  const value = a.over ? (span?.increase(...what) ?? 0) : now.sum(...what);
  return (a.op ?? '>') === '==' ? value === (a.than ?? 0) : value > (a.than ?? 0);
}
