// Makes the pages fast: waveform, keys, claims lit in text, table and picture at once. Everything works without it too.
import WaveSurfer from "/static/vendor/wavesurfer.esm.js";

const $ = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
document.documentElement.classList.add("js");

const SPEEDS = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2];
const ZOOMS = [1, 2, 4, 8];

function player(root) {
  const audio = $("[data-audio]", root);
  const seconds = Number(root.dataset.seconds);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const wave = WaveSurfer.create({
    container: $("[data-wave]", root), media: audio, height: 80, sampleRate: 16000, cspNonce: document.body.dataset.nonce,
    peaks: [JSON.parse($("[data-peaks]", root).textContent)], duration: seconds, normalize: true, hideScrollbar: true,
    waveColor: dark ? "#4b6a70" : "#9db4ad", progressColor: dark ? "#2dd4bf" : "#0f766e", cursorWidth: 0, fillParent: true, minPxPerSec: 0,
  });
  const cursor = $("[data-cursor]", root), picture = $("[data-picture]", root), wide = $("[data-wide]", root), scroll = $("[data-scroll]", root);
  let frame = 0;
  const draw = () => {
    const share = Math.min(1, audio.currentTime / seconds);
    cursor.style.display = "block";
    cursor.style.left = `${share * 100}%`;
    $("[data-clock]", root).value = `${audio.currentTime.toFixed(1)} / ${seconds.toFixed(1)} s`;
    const x = share * wide.clientWidth;
    if (wide.clientWidth > scroll.clientWidth && !audio.paused && (x < scroll.scrollLeft || x > scroll.scrollLeft + scroll.clientWidth - 20)) scroll.scrollLeft = x - 40;
    frame = audio.paused ? 0 : requestAnimationFrame(draw);
  };
  audio.addEventListener("play", () => { $("[data-play]", root).textContent = "❚❚"; if (!frame) frame = requestAnimationFrame(draw); });
  audio.addEventListener("pause", () => { $("[data-play]", root).textContent = "▶"; });
  audio.addEventListener("seeked", draw);
  const seek = (event) => {
    const box = picture.getBoundingClientRect();
    audio.currentTime = Math.max(0, Math.min(seconds, ((event.clientX - box.left) / box.width) * seconds));
  };
  picture.addEventListener("click", seek);
  const api = {
    toggle: () => (audio.paused ? audio.play() : audio.pause()),
    step: (by) => { audio.currentTime = Math.max(0, Math.min(seconds, audio.currentTime + by)); },
    speed: (by) => {
      const at = SPEEDS.indexOf(audio.playbackRate);
      audio.playbackRate = SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, at + by))];
      $("[data-speed]", root).value = `${audio.playbackRate}×`;
    },
    zoom: (by) => {
      const at = ZOOMS.findIndex((z) => wide.classList.contains(`z${z}`));
      const next = ZOOMS[Math.max(0, Math.min(ZOOMS.length - 1, Math.max(0, at) + by))];
      ZOOMS.forEach((z) => wide.classList.toggle(`z${z}`, z === next && z > 1));
      draw();
    },
  };
  $("[data-play]", root).addEventListener("click", api.toggle);
  all("[data-rate]", root).forEach((b) => b.addEventListener("click", () => api.speed(Number(b.dataset.rate))));
  all("[data-zoom]", root).forEach((b) => b.addEventListener("click", () => api.zoom(Number(b.dataset.zoom))));
  wave.once("ready", () => root.classList.add("ready"));
  return api;
}

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

function keys(sound) {
  const help = $("[data-help]");
  const typing = (target) => target.closest?.("input, textarea, select, [contenteditable]");
  const plain = {
    " ": () => sound?.toggle(), ArrowLeft: () => sound?.step(-1), ArrowRight: () => sound?.step(1), "[": () => sound?.speed(-1), "]": () => sound?.speed(1),
    "+": () => sound?.zoom(1), "-": () => sound?.zoom(-1),
  };
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    if (event.key === "Escape" && typing(event.target)) return event.target.blur();
    if (event.ctrlKey && event.key === " ") { event.preventDefault(); return sound?.toggle(); }
    if (event.ctrlKey && event.key === "Enter" && event.target.form) { event.preventDefault(); return event.target.form.requestSubmit($("button[name=act]", event.target.form)); }
    if (typing(event.target) || event.ctrlKey || event.metaKey || event.altKey || help?.open) return;
    const button = all("[data-key]").find((b) => b.dataset.key === event.key);
    if (!button && !plain[event.key]) return;
    if ((event.key === " " || event.key === "Enter") && event.target.closest?.("button, a, summary")) return;
    event.preventDefault();
    if (plain[event.key]) plain[event.key](); else button.click();
  });
}

const root = $("[data-player]");
const sound = root ? player(root) : null;
lightUp();
keys(sound);
$("[data-keys]")?.addEventListener("click", () => $("[data-help]").showModal());
all("[data-open]").forEach((b) => b.addEventListener("click", () => open(b.dataset.open)));
all("form").forEach((form) => form.addEventListener("submit", () => setTimeout(() => all("button", form).forEach((b) => { b.disabled = true; }))));
