// What the page asks of the server, with the admin token, which is nowhere but here.

let token = '';

export function useToken(text) {
  token = text;
}

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export async function ask(path, { method = 'GET', json, text } = {}) {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (json !== undefined) headers['Content-Type'] = 'application/json';
  else if (text !== undefined) headers['Content-Type'] = 'text/plain';
  const body = json === undefined ? text : JSON.stringify(json);
  const answer = await fetch(path, { method, headers, body, cache: 'no-store', credentials: 'omit' });
  if (answer.ok) return answer.headers.get('Content-Type')?.startsWith('application/json') ? answer.json() : answer.text();
  const problem = await answer.json().catch(() => null);
  throw new Refused(answer.status, problem?.error?.message ?? `the server answered ${answer.status}`);
}
