// Shows parts of a page anew without a reload (macro `refreshed`). Everything else works without script.
"use strict";

(() => {
  const LONGEST_WAIT = 60;
  const FOCUSABLE = "a[href], summary, [tabindex]";

  class Refreshed {
    constructor(bar) {
      this.texts = bar.dataset;
      this.time = bar.querySelector("[data-time]");
      this.status = bar.querySelector("[role=status]");
      this.button = bar.querySelector("button");
      this.paused = false;
      this.failures = 0;
      this.button.addEventListener("click", () => this.toggle());
      this.name();
      this.bar = bar;
      bar.hidden = this.isFinal();
      if (!bar.hidden) this.plan();
    }

    get part() {
      return document.getElementById(this.texts.refreshFor);
    }

    // Nothing of it will change any more.
    isFinal() {
      return this.part.dataset.final !== undefined;
    }

    name() {
      this.button.textContent = this.paused ? this.texts.resume : this.texts.pause;
    }

    // Read out where it changes; the time of an update is not.
    say(text) {
      if (this.status.textContent !== text) this.status.textContent = text;
    }

    toggle() {
      this.paused = !this.paused;
      this.name();
      this.say(this.paused ? this.texts.paused : "");
      if (this.paused) clearTimeout(this.timer);
      else this.refresh();
    }

    plan() {
      const wait = Math.min(Number(this.texts.seconds) * 2 ** this.failures, LONGEST_WAIT);
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.refresh(), wait * 1000);
    }

    // A form that somebody is filling in or about to send stays under their fingers.
    inUse() {
      const active = this.part.contains(document.activeElement) ? document.activeElement : null;
      return active?.closest("form") != null || this.part.querySelector("details.confirm[open]") !== null;
    }

    async refresh() {
      if (!document.hidden && !this.inUse()) {
        try {
          const answer = await fetch(location.href, { headers: { "X-Console-Refresh": "1" }, redirect: "error" });
          if (answer.status === 401) {
            this.end();
            return;
          }
          if (!answer.ok) throw new Error(String(answer.status));
          this.replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
          this.failures = 0;
          if (!this.paused) this.say("");
        } catch {
          this.failures += 1;
          this.say(this.texts.failed);
        }
      }
      if (this.isFinal()) this.bar.hidden = true;
      else if (!this.paused) this.plan();
    }

    replace(page) {
      const fresh = page.getElementById(this.texts.refreshFor);
      if (fresh === null) throw new Error("the part is gone");
      if (this.paused || this.inUse()) return;
      const opened = [...this.part.querySelectorAll("details")].map((one) => one.open);
      const focused = [...this.part.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement);
      if (fresh.dataset.final !== undefined) this.part.dataset.final = "";
      this.part.replaceChildren(...document.adoptNode(fresh).childNodes);
      this.part.querySelectorAll("details").forEach((one, at) => { one.open = opened[at] ?? false; });
      if (focused >= 0) this.part.querySelectorAll(FOCUSABLE)[focused]?.focus({ preventScroll: true });
      const { lang, dataset } = document.documentElement;
      const now = new Date().toLocaleTimeString(lang, { timeZone: dataset.zone });
      this.time.textContent = this.texts.at.replace("{time}", now);
    }

    end() {
      this.paused = true;
      this.button.hidden = true;
      this.say(this.texts.ended);
    }
  }

  for (const bar of document.querySelectorAll("[data-refresh-for]")) new Refreshed(bar);
})();
