// The local echo, whatever comes first: the push or the reply.

import { expect, test } from 'vitest';

import { Echo } from '../src/echo.js';
import { BarrageError } from '../src/errors.js';
import type { OwnMessage, WireMessage } from '../src/types.js';

function begun(blind: boolean) {
  let underWay: string | undefined = 'k1';
  const told: string[] = [];
  const heard: string[] = [];
  const echo = new Echo<string>((o) => told.push(`${o.data} ${o.state}`), (m) => heard.push(String(m.data)), () => underWay, () => blind, () => false);
  const own = { key: 'k1', data: 'mine', kind: '', state: 'pending', time: 0 } as unknown as OwnMessage<string>;
  echo.begin(own);
  const push = (id: string, data: string, isOwn = false) => {
    if (!echo.claim({ id, data, time: 0 } as WireMessage, isOwn)) heard.push(data);
  };
  const end = (id: string, error?: BarrageError) => {
    underWay = undefined;
    echo.end(own, error, { message_id: id });
  };
  return { push, end, told, heard };
}

test('over event streams no push tells whose it is: all wait for the reply, and keep their order', () => {
  const { push, end, told, heard } = begun(true);
  push('1', 'before');
  push('2', 'mine');
  push('3', 'mine'); // a stranger says the same
  push('4', 'behind');
  expect(heard).toEqual([]);
  end('2');
  push('5', 'last');
  expect(heard).toEqual(['before', 'mine', 'behind', 'last']);
  expect(told).toEqual(['mine pending', 'mine sent']);
});

test('over event streams, and refused: strangers are heard', () => {
  const { push, end, told, heard } = begun(true);
  push('1', 'mine');
  end('', new BarrageError('forbidden', 'no'));
  expect(heard).toEqual(['mine']);
  expect(told).toEqual(['mine pending', 'mine failed']);
});

test('over WebSocket strangers wait for nothing', () => {
  const { push, end, heard } = begun(false);
  push('1', 'before');
  push('2', 'mine', true);
  expect(heard).toEqual(['before']);
  end('2');
  expect(heard).toEqual(['before']);
});
