// What a viewer is told of comments that are missing.

const REASONS = {
  trimmed: 'older than the room remembers',
  epoch: 'the room began anew',
  slow: 'this connection was too slow',
  overloaded: 'the server was too busy',
  large: 'there were too many to fetch',
};

export function sentence({ reason, count, from, to }) {
  const why = REASONS[reason] ?? 'this page was away';
  if (count === 1) return `One comment is missing: ${why}.`;
  if (count !== undefined) return `${count} comments are missing: ${why}.`;
  if (from !== undefined && to !== undefined) return `Up to ${to - from + 1} comments are missing: ${why}.`;
  return `Comments are missing: ${why}.`;
}
