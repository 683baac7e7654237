// The visitor's token: from #token= of the page's address, where a login page may have put
// it, or typed in. It is kept for this tab only, and does not stay in the address, which
// people pass on.

import { t } from './messages.js';

const KEY = 'barrage:token';
// What a subprotocol of WebSocket can carry.
const SENDABLE = /^[\w!#$%&'*+.^`|~-]+$/;

export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (given === null) return kept();
  history.replaceState(null, '', location.pathname + location.search);
  if (tokenProblem(given) !== '') return '';
  keepToken(given);
  return given;
}

export function keepToken(token) {
  try {
    sessionStorage.setItem(KEY, token);
  } catch {
    // Asked for again, then.
  }
}

// tokenProblem says in a sentence what is wrong with a token, or nothing.
export function tokenProblem(token) {
  if (token === '') return t('tokenEmpty');
  return SENDABLE.test(token) ? '' : t('tokenWrong');
}

function kept() {
  try {
    return sessionStorage.getItem(KEY) ?? '';
  } catch {
    return '';
  }
}
