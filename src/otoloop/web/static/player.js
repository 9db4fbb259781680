// The player of one clip: waveform, spectrogram with cursor, speed and zoom.
import WaveSurfer from "/static/vendor/wavesurfer.esm.js";

const $ = (selector, root) => root.querySelector(selector);
const all = (selector, root) => [...root.querySelectorAll(selector)];
const SPEEDS = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2];
const ZOOMS = [1, 2, 4, 8];

export function player(root) {
  const audio = $("[data-audio]", root);
  const seconds = Number(root.dataset.seconds);
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
  picture.addEventListener("click", (event) => {
    const box = picture.getBoundingClientRect();
    audio.currentTime = Math.max(0, Math.min(seconds, ((event.clientX - box.left) / box.width) * seconds));
  });
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
