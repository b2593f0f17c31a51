// The console's own script: theme, keys, copying, the age of the data, and the live stream. Every page works without it.
"use strict";
(() => {
  const root = document.documentElement;
  const THEMES = ["system", "light", "dark"];
  const STREAMS = 4; // of one browser: it makes six connections to a host, and pages need some
  const POLL_MS = 3000;

  // The theme, before anything is drawn
  const theme = () => { try { return localStorage.getItem("wooshq-theme") || "system"; } catch { return "system"; } };
  const show = (name) => { if (name === "system") delete root.dataset.theme; else root.dataset.theme = name; };
  show(theme());
  root.dataset.scripts = "";

  const one = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];

  function themeSwitch() {
    const button = one("[data-theme-switch]");
    if (!button) return;
    const say = () => { button.setAttribute("aria-label", `Theme: ${theme()}`); button.title = `Theme: ${theme()}`; };
    button.hidden = false;
    say();
    button.addEventListener("click", () => {
      const next = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length];
      try { localStorage.setItem("wooshq-theme", next); } catch { /* kept for this page alone */ }
      show(next);
      say();
    });
  }

  // Copying
  function copying() {
    const reveal = () => all("button[data-copy][hidden]").forEach((button) => { button.hidden = false; });
    if (!navigator.clipboard) return;
    reveal();
    document.addEventListener("htmx:after:swap", reveal);
    document.addEventListener("click", async (event) => {
      const button = event.target.closest("button[data-copy]");
      if (!button) return;
      try { await navigator.clipboard.writeText(button.dataset.copy); } catch { return; }
      button.dataset.done = "";
      setTimeout(() => { delete button.dataset.done; }, 1200);
    });
  }

  // An act that takes a while says so: a plan looks at every letter
  function acting() {
    document.addEventListener("submit", (event) => {
      const button = event.submitter;
      if (button) setTimeout(() => { button.dataset.busy = ""; }, 0);
    });
    window.addEventListener("pageshow", () => all("[data-busy]").forEach((button) => { delete button.dataset.busy; }));
  }

  // Keys
  const isTyping = (element) => element.matches("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");
  const rows = () => all("[data-row]").filter((row) => row.offsetParent !== null || row.getClientRects().length);

  function move(step) {
    const list = rows();
    if (!list.length) return;
    const at = list.findIndex((row) => row.contains(document.activeElement));
    const next = list[Math.min(list.length - 1, Math.max(0, at < 0 ? (step > 0 ? 0 : list.length - 1) : at + step))];
    const within = next.matches("a, button") ? next : one("a, input[type=checkbox]", next) || one("button:not([hidden], .copy), summary", next) || next;
    if (within === next) next.tabIndex = -1; // a row of text alone
    within.focus();
    next.scrollIntoView({ block: "nearest" });
  }

  function openHelp() {
    const help = one("[data-help]");
    if (help && !help.open) help.showModal();
  }

  function keys() {
    let leader = 0;
    const help = one("[data-help-open]");
    if (help) { help.hidden = false; help.addEventListener("click", openHelp); }
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
      const target = event.target instanceof Element ? event.target : document.body;
      if (isTyping(target)) {
        if (event.key === "Escape") target.blur();
        return;
      }
      if (one("dialog[open]")) {
        if (event.key === "?") one("dialog[open]").close();
        return;
      }
      const follows = Date.now() - leader < 1500;
      leader = 0;
      if (follows) {
        const to = all("nav.pages a[data-letter]").find((link) => link.dataset.letter === event.key);
        if (to) { event.preventDefault(); to.click(); return; }
      }
      const row = target.closest("[data-row]");
      switch (event.key) {
        case "g": leader = Date.now(); break;
        case "/": one("[data-find]")?.focus(); one("[data-find]")?.select(); break;
        case "?": openHelp(); break;
        case "j": move(1); break;
        case "k": move(-1); break;
        case "x": one("input[type=checkbox]", row || document.createElement("i"))?.click(); break;
        case "Enter": {
          const link = row && !target.matches("a, button, summary") ? one("a", row) : null;
          if (!link) return;
          link.click();
          break;
        }
        case "Escape": all("details.menu[open], details.sure[open]").forEach((open) => { open.open = false; }); return;
        default: {
          const named = all("main [data-key]").find((element) => element.dataset.key === event.key);
          if (!named) return;
          named.click();
        }
      }
      event.preventDefault();
    });
    document.addEventListener("click", (event) => {
      all("details.menu[open]").forEach((open) => { if (!open.contains(event.target)) open.open = false; });
      if (event.target.matches("dialog[open]")) event.target.close();
    });
  }

  // Completion of a query: the fields, and the values of those that have only these
  function completion() {
    const input = one("[data-find]"), list = one("#find-words");
    if (!input || !list) return;
    let words = null, active = -1;
    const part = () => /[^\s()"]*$/.exec(input.value.slice(0, input.selectionStart))[0];
    const choices = (typed) => {
      const colon = typed.indexOf(":");
      if (colon < 0) return typed === "" && input.value.trim() ? [] : words.filter((word) => word.begins.startsWith(typed.toLowerCase()) && word.begins !== typed).map((word) => ({ text: word.begins, says: word.says }));
      const word = words.find((one) => one.begins === typed.slice(0, colon + 1));
      return (word?.values ?? []).filter((value) => value.startsWith(typed.slice(colon + 1)) && value !== typed.slice(colon + 1)).map((value) => ({ text: word.begins + value, says: "" }));
    };
    const close = () => { list.hidden = true; active = -1; input.setAttribute("aria-expanded", "false"); input.removeAttribute("aria-activedescendant"); };
    const mark = (next) => {
      const options = all("[role=option]", list);
      active = (next + options.length) % options.length;
      options.forEach((option, number) => option.setAttribute("aria-selected", String(number === active)));
      input.setAttribute("aria-activedescendant", options[active].id);
      options[active].scrollIntoView({ block: "nearest" });
    };
    const take = (text) => {
      const end = input.selectionStart, start = end - part().length, goesOn = text.endsWith(":") || text.endsWith(".");
      input.setRangeText(text + (goesOn ? "" : " "), start, end, "end");
      input.focus();
      open();
    };
    async function open() {
      try { words ??= await (await fetch(input.dataset.words)).json(); } catch { return; }
      if (document.activeElement !== input) return;
      const found = choices(part()).slice(0, 9);
      if (!found.length) { close(); return; }
      list.replaceChildren(...found.map(({ text, says }, number) => {
        const option = document.createElement("li"), code = document.createElement("code"), hint = document.createElement("span");
        option.id = `find-word-${number}`;
        option.setAttribute("role", "option");
        option.setAttribute("aria-selected", "false");
        code.textContent = text;
        hint.textContent = says;
        option.append(code, hint);
        option.addEventListener("pointerdown", (event) => { event.preventDefault(); take(text); });
        return option;
      }));
      active = -1;
      list.hidden = false;
      input.setAttribute("aria-expanded", "true");
      input.removeAttribute("aria-activedescendant");
    }
    for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-controls", "find-words"], ["aria-expanded", "false"]]) input.setAttribute(name, value);
    input.addEventListener("input", open);
    input.addEventListener("focus", open);
    input.addEventListener("blur", close);
    input.addEventListener("keydown", (event) => {
      if (list.hidden) return;
      const option = all("[role=option]", list)[active];
      switch (event.key) {
        case "ArrowDown": mark(active + 1); break;
        case "ArrowUp": mark(active - 1); break;
        case "Enter": if (!option) return; take(one("code", option).textContent); break;
        case "Tab": if (event.shiftKey || (!option && !part())) return; take(one("code", option || list).textContent); break;
        case "Escape": close(); event.stopPropagation(); break;
        default: return;
      }
      event.preventDefault();
    });
  }

  // Ages
  const UNITS = [[60, 1, "s"], [3600, 60, "min"], [86400, 3600, "h"], [Infinity, 86400, "d"]];
  function relative(seconds) {
    const [limit, unit, name] = UNITS.find((row) => Math.abs(seconds) < row[0]);
    const count = Math.floor(Math.abs(seconds) / unit);
    if (limit === 60 && count < 2) return "now";
    return seconds > 0 ? `${count}\u202f${name} ago` : `in ${count}\u202f${name}`;
  }

  let skew = 0; // how much this machine's clock is ahead of the server's
  let readAt = 0;
  let state = "still";
  const SAYS = { live: "live", polls: "live", away: "ledger away", lost: "not connected", still: "as of", asleep: "asleep" };

  function ages() {
    const age = one("[data-age]");
    if (!age) return;
    readAt = Date.parse(age.dataset.age);
    skew = Date.now() - readAt;
    const tick = () => {
      const now = Date.now() - skew;
      all("time[data-ago]").forEach((time) => { time.textContent = relative((now - Date.parse(time.dateTime)) / 1000); });
      const old = (now - readAt) / 1000;
      age.dataset.state = state;
      one("[data-age-says]", age).textContent = state === "live" || state === "polls" ? (old < 10 ? "live" : relative(old)) : state === "still" ? `as of ${relative(old)}` : SAYS[state];
      age.title = `Data of ${new Date(readAt).toISOString().slice(0, 19).replace("T", " ")} UTC`;
    };
    tick();
    setInterval(tick, 1000);
    document.addEventListener("htmx:after:swap", tick);
    return tick;
  }

  // The live stream: one a page, none in a hidden tab, and polling where there is none
  function live(tick) {
    const template = one("template[data-stream]");
    if (!template || !window.htmx) return;
    const path = template.content.firstElementChild.getAttribute("hx-sse:connect");
    let stream = null; // {element, connection, release}
    let timer = 0, polls = 0;
    const say = (now) => { state = now; tick(); };
    const away = (text) => { one("[data-away]").hidden = !text; one("[data-away-says]").textContent = text; };
    const fresh = (at) => { readAt = at; away(""); goOn(); };
    // What this page waited for is there: [data-go] says where
    const goOn = () => { const to = one("[data-go]")?.dataset.go; if (to && /^\/[^/]/.test(to)) { close(); location.replace(to); } };

    function close() {
      clearTimeout(timer);
      const was = stream;
      stream = null;
      was?.connection?.reader?.cancel().catch(() => {});
      was?.element.remove();
      was?.release();
    }

    // A slot of this browser, for as long as the stream is open
    async function open(number = 0) {
      clearTimeout(timer);
      if (document.hidden || stream) return;
      if (!navigator.locks || number >= STREAMS) { poll(); return; }
      await navigator.locks.request(`wooshq-stream-${number}`, { ifAvailable: true }, (lock) => {
        if (!lock) { open(number + 1); return undefined; }
        if (document.hidden || stream) return undefined;
        return new Promise((release) => connect(release));
      });
    }

    function connect(release) {
      const element = template.content.firstElementChild.cloneNode(true);
      const mine = stream = { element, release, connection: null };
      const on = (name, then) => element.addEventListener(name, (event) => { if (stream === mine) then(event.detail); });
      const fails = () => { close(); poll(); };
      on("htmx:sse:after:connection", (detail) => { mine.connection = detail.connection; });
      on("beat", (detail) => { fresh(Date.parse(detail.data)); say("live"); });
      on("away", (detail) => { away(detail.data); say("away"); });
      on("out", () => location.reload());
      on("htmx:response:error", (detail) => { if (detail.ctx.response.status === 401) location.reload(); else fails(); });
      on("htmx:sse:close", fails);
      on("htmx:sse:error", fails);
      on("htmx:error", fails);
      document.body.append(element);
      htmx.process(element);
    }

    async function poll() {
      clearTimeout(timer);
      if (document.hidden) return;
      try {
        const answer = await fetch(path.replace(/^\/live/, "/poll"), { cache: "no-store" });
        if (answer.status === 401) { location.reload(); return; }
        const text = await answer.text();
        if (!answer.ok) throw new Error(text);
        await htmx.swap({ text, target: document.body, swap: "none", sourceElement: document.body });
        fresh(Date.now() - skew);
        say("polls");
      } catch (error) {
        if (error instanceof TypeError) { say("lost"); } else { away(error.message); say("away"); }
      }
      polls += 1;
      clearTimeout(timer);
      timer = setTimeout(() => (polls % 5 ? poll() : open()), POLL_MS);
    }

    document.addEventListener("visibilitychange", () => {
      if (document.hidden) { close(); say("asleep"); } else open();
    });
    window.addEventListener("pagehide", close);
    window.addEventListener("pageshow", (event) => { if (event.persisted) open(); });
    open();
  }

  document.addEventListener("DOMContentLoaded", () => {
    themeSwitch();
    copying();
    acting();
    keys();
    completion();
    const tick = ages();
    one('nav.pages [aria-current="page"]')?.scrollIntoView({ block: "nearest", inline: "center" });
    if (tick) live(tick);
    const again = one("[data-reload]");
    if (again) setTimeout(() => location.reload(), 1000 * Number(again.dataset.reload));
  });
})();
