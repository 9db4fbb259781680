// Makes the pages fast: keys, players, claims lit in text, table and picture at once. Everything works without it too.
const $ = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
document.documentElement.classList.add("js");

function lightUp() {
  const set = (claim, on) => all(`[data-claim="${claim}"]`).forEach((e) => e.classList.toggle("on", on));
  all("[data-claim]").forEach((e) => {
    for (const [name, on] of [["mouseenter", true], ["mouseleave", false], ["focus", true], ["blur", false]]) e.addEventListener(name, () => set(e.dataset.claim, on));
  });
}

function open(name) {
  all(".panel").forEach((p) => { p.open = p.id === name; });
  const field = $(`#${name} textarea, #${name} input:not([type=hidden])`);
  field?.focus();
  field?.scrollIntoView({ block: "nearest" });
}

// Times are written in UTC; a reader wants those of the place they stand in.
function localTimes() {
  const shown = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  all("time[datetime]").forEach((t) => { t.title = t.textContent; t.textContent = shown.format(new Date(t.dateTime)); });
}

function toRow(by) {
  const rows = all("[data-row]");
  if (!rows.length) return;
  const at = rows.indexOf(document.activeElement);
  const next = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.max(0, Math.min(rows.length - 1, at + by))];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

let sound = null;

function keys(heard) {
  const help = $("[data-help]");
  const typing = (target) => target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
  const plain = {
    ...(heard && {
      " ": () => sound?.toggle(), ArrowLeft: () => sound?.step(-1), ArrowRight: () => sound?.step(1),
      "[": () => sound?.speed(-1), "]": () => sound?.speed(1), "+": () => sound?.zoom(1), "-": () => sound?.zoom(-1),
    }),
    j: () => toRow(1), k: () => toRow(-1), "/": $(".filters") && (() => $(".filters select, .filters input:not([type=hidden])")?.focus()),
  };
  const wanted = (key) => {
    const button = all("[data-key]").find((b) => b.dataset.key === key);
    const page = /^[1-9]$/.test(key) && all("[data-go]")[Number(key) - 1];
    return button || page ? () => (button || page).click() : plain[key];
  };
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    if (event.key === "Escape" && typing(event.target)) return event.target.blur();
    if (event.ctrlKey && event.key === " " && sound) { event.preventDefault(); return sound.toggle(); }
    if (event.ctrlKey && event.key === "Enter" && event.target.form) { event.preventDefault(); return event.target.form.requestSubmit($("button[name=act]", event.target.form)); }
    if (typing(event.target) || event.ctrlKey || event.metaKey || event.altKey || help?.open) return;
    if ((event.key === " " || event.key === "Enter") && event.target.closest?.("button, a, summary, label, audio")) return;
    const action = wanted(event.key);
    if (!action) return;
    event.preventDefault();
    action();
  });
}

const root = $("[data-player]");
keys(root);
lightUp();
localTimes();
if (root) import("/static/player.js").then((module) => { sound = module.player(root); });
$("[data-keys]")?.addEventListener("click", () => $("[data-help]").showModal());
all("[data-open]").forEach((b) => b.addEventListener("click", () => open(b.dataset.open)));
all("form").forEach((form) => form.addEventListener("submit", () => setTimeout(() => all("button", form).forEach((b) => { b.disabled = true; }))));
all("form[data-busy]").forEach((form) => form.addEventListener("submit", () => { $(".busy", form).hidden = false; }));
all("input.copy").forEach((field) => { field.addEventListener("focus", () => field.select()); field.focus(); });
