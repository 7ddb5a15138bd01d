// Seconds that an item was looked at: the watch stands still while the page is hidden.

export class Watch {
  #sum = 0;
  #since = null;

  constructor() {
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#hold() : this.#go()));
    addEventListener("pagehide", () => this.#hold());
  }

  restart() {
    this.#sum = 0;
    this.#since = document.hidden ? null : performance.now();
  }

  seconds() {
    const running = this.#since === null ? 0 : performance.now() - this.#since;
    return Math.round((this.#sum + running) / 100) / 10;
  }

  #hold() {
    if (this.#since === null) return;
    this.#sum += performance.now() - this.#since;
    this.#since = null;
  }

  #go() {
    this.#since ??= performance.now();
  }
}
