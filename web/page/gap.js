// What a viewer is told of comments that are missing.

import { number, t } from './messages.js';

const REASONS = { trimmed: 'trimmed', epoch: 'epoch', slow: 'slowConnection', overloaded: 'overloaded', large: 'large' };

export function sentence({ reason, count, from, to }) {
  const why = t(Object.hasOwn(REASONS, reason) ? REASONS[reason] : 'away');
  if (count === 1) return t('missingOne', { why });
  if (count !== undefined) return t('missingCount', { count: number(count), why });
  if (from !== undefined && to !== undefined) return t('missingUpTo', { count: number(to - from + 1), why });
  return t('missing', { why });
}
