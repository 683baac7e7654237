// The badge that says how the connection is. The countdown stands outside the
// live region, or a screen reader would read out every second of it.

const TICK_MS = 250;

const TEXTS = {
  idle: () => 'not connected',
  connecting: () => 'connecting…',
  open: () => 'connected',
  waiting: () => 'reconnecting',
  asleep: () => 'asleep',
  offline: () => 'offline',
  stopped: (state) => `disconnected: ${state.reason}`,
};

export class Status {
  #parts;
  #timer = 0;

  constructor(parts) {
    this.#parts = parts;
  }

  show(state) {
    clearInterval(this.#timer);
    const name = state.name === 'waiting' && !navigator.onLine ? 'offline' : state.name;
    const { root, text, wait, reconnect } = this.#parts;
    root.dataset.state = name;
    text.textContent = TEXTS[name](state);
    wait.textContent = '';
    reconnect.hidden = name !== 'stopped';
    if (name !== 'waiting') return;
    const tick = () => {
      const seconds = Math.max(0, Math.ceil((state.retryAt - Date.now()) / 1000));
      wait.textContent = ` in ${seconds} s`;
    };
    tick();
    this.#timer = setInterval(tick, TICK_MS);
  }
}
