// React Native: new Barrage(url, reactNative(AppState)). Its WebSocket is the browser's, but
// there is no page that tells when the app is seen again.

import type { Nature } from './env.js';

/** The part of React Native's `AppState` that is used. */
export interface AppState {
  addEventListener(type: 'change', f: (state: string) => void): { remove(): void };
}

/** The settings of a client in React Native. */
export function reactNative(app: AppState): { watch(on: Nature): () => void; fallback: false } {
  return {
    watch: (on) => {
      const listening = app.addEventListener('change', (state) => state === 'active' && on.wake());
      return () => listening.remove();
    },
    fallback: false, // its fetch has no streams
  };
}
