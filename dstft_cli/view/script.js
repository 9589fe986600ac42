
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const { edges, layers, lengths, sampleRate } = data;
  const [begin, end] = data.span, rows = edges.length - 1, top = edges[rows];
  const plot = $("plot"), picture = $("picture"), marks = $("marks"), sound = $("sound");
  const bytes = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const within = (x, low, high) => Math.min(Math.max(x, low), high);

  // Frequency axes: from Hz to units that are even on the screen, and back.
  const SCALES = {
    linear: [(hz) => hz, (u) => u],
    log: [(hz) => Math.log(Math.max(hz, data.lowest)), Math.exp],
    mel: [(hz) => Math.log1p(hz / 700), (u) => 700 * Math.expm1(u)],
  };
  const view = { layer: 0, scale: data.scale, t: [begin, end], f: data.shown.slice() };
  const cursor = { t: (begin + end) / 2, f: Math.sqrt(data.shown[0] * data.shown[1]) || top / 4 };
  const unit = (hz) => SCALES[view.scale][0](hz), hertz = (u) => SCALES[view.scale][1](u);
  let head = null; // of playback, s
  let inner = { x: 0, y: 0, w: 1, h: 1 }; // the plane within the plot, CSS pixels
  let waiting = 0, asked = false, shown = false, resting = 0;

  // ---- tiles of grey levels, decoded when they are first seen ----

  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const MOST_TILES = 150, order = []; // kept, in the order in which they were decoded

  async function decoded(text) { // [columns][rows]
    const own = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
    const found = await createImageBitmap(new Blob([bytes(text)], { type: "image/webp" }), own);
    [canvas.width, canvas.height] = [found.width, found.height];
    context.drawImage(found, 0, 0);
    const rgba = context.getImageData(0, 0, found.width, found.height).data;
    const grey = new Uint8Array(rgba.length / 4);
    for (let i = 0; i < grey.length; i++) grey[i] = rgba[4 * i];
    return grey;
  }

  function tile(level, number) {
    level.kept ??= new Map();
    const found = level.kept.get(number);
    if (found === undefined) {
      level.kept.set(number, null);
      waiting++;
      decoded(level.tiles[number]).then((grey) => {
        level.kept.set(number, grey);
        order.push([level, number]);
        if (order.length > MOST_TILES) order.splice(0, 1).forEach(([of, old]) => of.kept.delete(old));
        waiting--;
        if (!waiting || layers[view.layer].levels.includes(level)) request();
      });
    }
    return found;
  }

  // Levels of one moment, all rows: the maximum of its columns, or between two of them.
  function profile(level, from, to, into) {
    const a = (from - level.begin) / level.step, b = (to - level.begin) / level.step;
    const middle = (a + b) / 2 - 0.5, many = b - a >= 1, last = level.columns - 1;
    const first = within(Math.floor(many ? a : middle), 0, last);
    const stop = within(many ? Math.max(Math.floor(b) - 1, first) : first + 1, 0, last);
    const share = within(middle - first, 0, 1);
    for (let c = first; c <= stop; c++) {
      const grey = tile(level, Math.floor(c / data.tile)), at = (c % data.tile) * rows;
      if (!grey) return false;
      if (c === first) for (let r = 0; r < rows; r++) into[r] = grey[at + r];
      else if (many) for (let r = 0; r < rows; r++) into[r] = Math.max(into[r], grey[at + r]);
      else for (let r = 0; r < rows; r++) into[r] += share * (grey[at + r] - into[r]);
    }
    return true;
  }

  function rowAt(hz) { // with a fraction
    const low = within(edges.findLastIndex((edge) => edge <= hz), 0, rows - 1);
    return within(low + (hz - edges[low]) / (edges[low + 1] - edges[low]), 0, rows - 1e-6);
  }

  // ---- colours ----

  const maps = Object.fromEntries(Object.entries(data.cmaps).map(([name, text]) => [name, bytes(text)]));
  // as bright for short windows (blue) as for long ones (orange), and safe for the colour-blind
  const ENDS = [[92, 172, 255], [240, 240, 240], [255, 160, 40]];
  const colourOf = (r, g, b) => (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
  const lengthColour = (share) => ENDS[0].map((_, i) => {
    const [from, to] = share < 0.5 ? [ENDS[0], ENDS[1]] : [ENDS[1], ENDS[2]];
    return from[i] + (to[i] - from[i]) * (share < 0.5 ? 2 * share : 2 * share - 1);
  });
  const decibel = (grey) => grey * data.db[1] + data.db[0];
  let colours = new Uint32Array(256), tints = null;

  function mix() { // colours of the grey levels; with the map of lengths, for each length
    const range = Number($("range").value), highest = Number($("top").value);
    const map = maps[$("colours").value];
    const shares = Array.from({ length: 256 }, (_, v) => within((decibel(v) - highest) / range + 1, 0, 1));
    shares.forEach((share, v) => {
      const at = 3 * Math.round(255 * share);
      colours[v] = colourOf(map[at], map[at + 1], map[at + 2]);
    });
    tints = null;
    if (!tinted()) return;
    tints = new Uint32Array(65536);
    for (let n = 0; n < 256; n++) {
      const [r, g, b] = lengthColour(n / 255);
      shares.forEach((share, v) => { tints[(n << 8) | v] = colourOf(r * share, g * share, b * share); });
    }
  }

  // ---- window lengths, samples ----

  const overFrequency = lengths.rows > 1;
  const tinted = () => $("lengths").checked && overFrequency;
  let lengthGrey = new Uint8Array(lengths.rows * lengths.columns);
  if (lengths.image) decoded(lengths.image).then((grey) => { lengthGrey = grey; if ($("lengths").checked) request(); });
  const lengthColumn = (t) =>
    lengths.rows * within(Math.floor((t - lengths.begin) / lengths.step), 0, lengths.columns - 1);
  const lengthOf = (share) => lengths.low * (lengths.high / lengths.low) ** share;
  const lengthAt = (t, row) => lengthOf(lengthGrey[lengthColumn(t) + (overFrequency ? row : 0)] / 255);

  // ---- drawing ----

  function request() {
    if (!asked) requestAnimationFrame(() => { asked = false; draw(); });
    asked = true;
  }

  function fit(target) {
    const ratio = window.devicePixelRatio || 1, wide = plot.clientWidth, tall = plot.clientHeight;
    const [w, h] = [Math.round(wide * ratio), Math.round(tall * ratio)];
    if (target.width !== w || target.height !== h) [target.width, target.height] = [w, h];
    const narrow = wide < 600;
    const [x, y] = [narrow ? 42 : 56, 8];
    inner = { x, y, w: Math.max(wide - x - (narrow ? 48 : 66), 20), h: Math.max(tall - y - 36, 20) };
    const pen = target.getContext("2d", { willReadFrequently: true });
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, wide, tall);
    return { pen, ratio };
  }

  const levelFor = (layer, second) =>
    layer.levels.slice(Math.max(layer.levels.findLastIndex(({ step }) => step <= second), 0));

  function draw() {
    const { pen, ratio } = fit(picture);
    const W = Math.round(inner.w * ratio), H = Math.round(inner.h * ratio);
    const image = new ImageData(W, H), pixels = new Uint32Array(image.data.buffer);
    const [t0, t1] = view.t, second = (t1 - t0) / W, [low, high] = view.f.map(unit);
    const bounds = Array.from({ length: H + 1 }, (_, y) => rowAt(hertz(high - (high - low) * y / H)));
    const usable = levelFor(layers[view.layer], second), one = new Float32Array(rows);
    let whole = true;
    for (let x = 0; x < W; x++) {
      const from = t0 + x * second;
      if (!usable.some((level) => profile(level, from, from + second, one))) {
        whole = false;
        continue;
      }
      const at = lengthColumn(from + second / 2);
      for (let y = 0; y < H; y++) {
        const a = bounds[y + 1], b = bounds[y], middle = Math.max((a + b) / 2 - 0.5, 0);
        let r = Math.floor(b - a >= 1 ? a : middle), value = one[r];
        if (b - a >= 1) for (const stop = Math.floor(b); ++r < stop;) value = Math.max(value, one[r]);
        else value += (middle - r) * (one[Math.min(r + 1, rows - 1)] - value);
        const grey = Math.round(value);
        pixels[y * W + x] = tints ? tints[(lengthGrey[at + Math.floor((a + b) / 2)] << 8) | grey] : colours[grey];
      }
    }
    pen.putImageData(image, Math.round(inner.x * ratio), Math.round(inner.y * ratio));
    if (whole) for (const layer of layers) { // so that the first change of layers is quick
      const [level] = levelFor(layer, second);
      const [first, last] = view.t.map((t) =>
        Math.floor(within((t - level.begin) / level.step, 0, level.columns - 1) / data.tile));
      for (let n = first; n <= last; n++) tile(level, n);
    }
    axes(pen);
    mark();
    plot.setAttribute("aria-busy", String(waiting > 0));
  }

  const multiples = (low, high, step) => Array.from(
    { length: Math.max(Math.floor(high / step + 1e-9) - Math.ceil(low / step - 1e-9) + 1, 0) },
    (_, i) => Number(((Math.ceil(low / step - 1e-9) + i) * step).toPrecision(12)));

  function steps(low, high, most) { // even ticks
    const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
    return multiples(low, high, power * [1, 2, 5, 10].find((n) => n * power >= rough));
  }

  const decades = (low, high) => Array.from({ length: 24 }, (_, i) => 10 ** (i - 12))
    .flatMap((power) => [power, 2 * power, 5 * power]).filter((v) => v >= low * 0.999 && v <= high * 1.001);

  function timeTicks() {
    const [low, high] = view.t, most = Math.max(inner.w / 95, 2), span = high - low;
    const whole = [10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 86400];
    return end < 600 || span < 10 * most ? steps(low, high, most)
      : multiples(low, high, whole.find((step) => step >= span / most) ?? span);
  }

  function clock(t, digits) {
    if (end < 600) return t.toFixed(digits);
    const hours = Math.floor(t / 3600), minutes = Math.floor(t / 60) % 60;
    const seconds = (t % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
    return end < 3600 ? `${Math.floor(t / 60)}:${seconds}` : `${hours}:${String(minutes).padStart(2, "0")}:${seconds}`;
  }

  function stroke(pen, a, b, c, d) {
    pen.beginPath();
    pen.moveTo(a, b);
    pen.lineTo(c, d);
    pen.stroke();
  }

  const x = (t) => inner.x + inner.w * (t - view.t[0]) / (view.t[1] - view.t[0]);
  function y(hz) {
    const [low, high] = view.f.map(unit);
    return inner.y + inner.h * (high - unit(hz)) / (high - low);
  }

  function axes(pen) {
    const style = getComputedStyle(plot), ink = style.color;
    const right = inner.x + inner.w, floor = inner.y + inner.h;
    pen.font = `12px ${style.fontFamily}`;
    [pen.fillStyle, pen.strokeStyle, pen.lineWidth, pen.textBaseline] = [ink, ink, 1, "middle"];
    pen.strokeRect(inner.x - 0.5, inner.y - 0.5, inner.w + 1, inner.h + 1);

    pen.textAlign = "center";
    const times = timeTicks(), apart = times.length > 1 ? times[1] - times[0] : 1;
    const digits = within(Math.ceil(-Math.log10(apart) - 1e-9), 0, 4);
    let free = inner.x - 30;
    for (const t of times) {
      const text = clock(t, digits), half = pen.measureText(text).width / 2;
      if (x(t) - half < free || x(t) + half > right + 30) continue;
      stroke(pen, x(t), floor, x(t), floor + 4);
      pen.fillText(text, x(t), floor + 13);
      free = x(t) + half + 8;
    }
    pen.fillText(end < 600 ? "Time (s)" : end < 3600 ? "Time (min:s)" : "Time (h:min:s)", inner.x + inner.w / 2, floor + 28);

    pen.textAlign = "right";
    const [low, high] = view.f, many = Math.max(inner.h / 45, 2);
    let places = view.scale === "linear" ? [] : decades(Math.max(low, 1e-3, high / 1e5), high);
    if (view.scale === "mel" && low === 0) places.unshift(0);
    if (places.length < 3) places = steps(low, high, many);
    const kilo = view.scale === "linear" && high >= 2000;
    const hertzText = (hz) => String(Number((kilo || hz >= 1000 ? hz / 1000 : hz).toPrecision(6))) + (!kilo && hz >= 1000 ? "k" : "");
    let above = Infinity;
    for (const hz of places) {
      if (above - y(hz) < 20) continue;
      above = y(hz);
      stroke(pen, inner.x - 4, y(hz), inner.x, y(hz));
      pen.fillText(hertzText(hz), inner.x - 7, y(hz));
    }
    pen.save();
    pen.translate(inner.w < 500 ? 6 : 9, inner.y + inner.h / 2);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "center";
    pen.fillText(`Frequency (${kilo ? "kHz" : "Hz"})`, 0, 0);
    pen.restore();

    pen.textAlign = "left";
    if ($("lengths").checked && !overFrequency) curve(pen, right);
    else bar(pen, right);
  }

  function bar(pen, right) { // of levels, or of window lengths
    const [left, wide] = [right + 9, 11], range = Number($("range").value), highest = Number($("top").value);
    const map = maps[$("colours").value];
    for (let i = 0; i < inner.h; i++) {
      const share = 1 - i / inner.h, at = 3 * Math.round(255 * share);
      pen.fillStyle = `rgb(${tinted() ? lengthColour(share).map(Math.round) : map.subarray(at, at + 3)})`;
      pen.fillRect(left, inner.y + i, wide, 1.5);
    }
    pen.fillStyle = pen.strokeStyle;
    const places = tinted()
      ? lengthTicks().map((length) => [lengthShare(length), `${lengthText(length)}`])
      : steps(highest - range, highest, inner.h / 45).map((db) => [(db - highest) / range + 1, String(db).replace("-", "−")]);
    for (const [share, text] of places) {
      const at = inner.y + inner.h * (1 - share);
      stroke(pen, left + wide, at, left + wide + 3, at);
      pen.fillText(text, left + wide + 6, within(at, inner.y + 5, inner.y + inner.h - 5));
    }
    pen.fillText(tinted() ? "ms" : "dB", left + wide + 6, inner.y + inner.h + 28);
  }

  const milliseconds = (samples) => samples / sampleRate * 1000;
  const lengthText = (samples) => String(Number(milliseconds(samples).toPrecision(3)));
  const lengthShare = (length) => lengths.high > lengths.low
    ? Math.log(length / lengths.low) / Math.log(lengths.high / lengths.low) : 0.5;

  function lengthTicks() {
    const ends = [lengths.low, lengths.high].map(milliseconds), found = decades(...ends);
    const ms = found.length > 2 ? found : steps(...ends, 4);
    return (lengths.high > lengths.low ? ms : ends.slice(1)).map((v) => v * sampleRate / 1000);
  }

  function curve(pen, right) { // window lengths over time, with an axis of their own
    const place = (length) => inner.y + inner.h * (0.95 - 0.9 * lengthShare(length));
    for (const length of lengthTicks()) {
      pen.fillRect(right, place(length) - 0.5, 4, 1);
      pen.fillText(lengthText(length), right + 8, place(length));
    }
    pen.fillText("ms", right + 8, inner.y + inner.h + 28);
    pen.save();
    pen.beginPath();
    pen.rect(inner.x, inner.y, inner.w, inner.h);
    pen.clip();
    pen.beginPath();
    for (let i = 0; i <= inner.w; i++) {
      const t = view.t[0] + (view.t[1] - view.t[0]) * i / inner.w;
      pen.lineTo(inner.x + i, place(lengthAt(t, 0)));
    }
    pen.lineJoin = "round";
    for (const [width, colour] of [[5, "#000"], [2.2, "#fff"]]) {
      [pen.lineWidth, pen.strokeStyle] = [width, colour];
      pen.stroke();
    }
    pen.restore();
  }

  function mark() { // the cursor and the place of playback
    const { pen } = fit(marks), right = inner.x + inner.w, floor = inner.y + inner.h;
    const lines = head === null ? [] : [[x(head), inner.y, x(head), floor, []]];
    if (shown) {
      lines.push([x(cursor.t), inner.y, x(cursor.t), floor, [2, 4]]);
      lines.push([inner.x, y(cursor.f), right, y(cursor.f), [2, 4]]);
    }
    pen.beginPath();
    pen.rect(inner.x, inner.y, inner.w, inner.h);
    pen.clip();
    for (const [a, b, c, d, dash] of lines) {
      pen.setLineDash(dash);
      for (const [colour, wide] of [["#000", 3], ["#fff", 1.2]]) {
        [pen.strokeStyle, pen.lineWidth] = [colour, wide];
        stroke(pen, a, b, c, d);
      }
    }
  }

  // ---- what is under the cursor ----

  const NOTES = ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "G♯", "A", "B♭", "B"];

  function note(hz) {
    const exact = 69 + 12 * Math.log2(hz / 440), whole = Math.round(exact);
    const cents = Math.round(100 * (exact - whole));
    return `${NOTES[((whole % 12) + 12) % 12]}${Math.floor(whole / 12) - 1} ${cents < 0 ? "−" : "+"}${Math.abs(cents)} ct`;
  }

  function tell() {
    const { t, f } = cursor, row = Math.floor(rowAt(f));
    let grey = null;
    for (const level of layers[view.layer].levels) {
      const column = within(Math.floor((t - level.begin) / level.step), 0, level.columns - 1);
      const found = tile(level, Math.floor(column / data.tile));
      if (found) { grey = found[(column % data.tile) * rows + row]; break; }
    }
    const length = lengthAt(t, row), parts = [
      end < 600 ? `${t.toFixed(3)} s` : clock(t, 3),
      f < 100 ? `${f.toPrecision(3)} Hz` : `${Math.round(f).toLocaleString("en")} Hz`,
    ];
    if (data.audible && f >= 16) parts.push(note(f));
    if (grey !== null) parts.push(grey ? `${decibel(grey).toFixed(1).replace("-", "−")} dB` : `below −${-data.db[0]} dB`);
    const own = layers[view.layer].length;
    parts.push(`window ${lengthText(own ?? length)} ms (${Math.round(own ?? length)} samples)`);
    $("readout").textContent = parts.join("  ·  ");
    clearTimeout(resting);
    resting = setTimeout(() => { $("spoken").textContent = parts.join(", "); }, 700);
  }

  function point(t, f) {
    [cursor.t, cursor.f, shown] = [within(t, begin, end), within(f, 0, top), true];
    mark();
    tell();
  }

  // ---- moving ----

  const range = (axis) => (axis === "t" ? view.t : view.f.map(unit));

  function show(axis, low, high) {
    const [least, most] = axis === "t" ? [begin, end] : [unit(view.scale === "log" ? data.lowest : 0), unit(top)];
    const finest = axis === "t" ? 8 * layers[view.layer].levels[0].step : (most - least) / 100;
    const span = within(high - low, Math.min(finest, most - least), most - least);
    const from = within((low + high - span) / 2, least, most - span);
    const ends = [from, from + span];
    view[axis] = axis === "t" ? ends : ends.map(hertz);
    request();
  }

  function zoom(axis, factor, at) {
    const [low, high] = range(axis);
    show(axis, at - (at - low) / factor, at + (high - at) / factor);
  }

  function pan(axis, share) {
    const [low, high] = range(axis), by = share * (high - low);
    show(axis, low + by, high + by);
  }

  const timeAt = (px) => view.t[0] + (view.t[1] - view.t[0]) * (px - inner.x) / inner.w;
  function unitAt(py) {
    const [low, high] = range("f");
    return high - (high - low) * (py - inner.y) / inner.h;
  }
  const atPointer = (event) => {
    const box = marks.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  marks.addEventListener("wheel", (event) => {
    event.preventDefault();
    const [px, py] = atPointer(event);
    const { deltaX, deltaY, shiftKey } = event; // with Shift, some browsers exchange the two
    if (!shiftKey && Math.abs(deltaX) > Math.abs(deltaY)) {
      pan("t", deltaX / inner.w);
      return;
    }
    const factor = Math.exp(-(deltaY || deltaX) * (event.deltaMode ? 0.05 : 0.002));
    const vertical = shiftKey || px < inner.x;
    if (!vertical || event.ctrlKey) zoom("t", factor, timeAt(px));
    if (vertical || event.ctrlKey) zoom("f", factor, unitAt(py));
  }, { passive: false });

  const fingers = new Map();
  let moved = 0;
  marks.addEventListener("pointerdown", (event) => {
    marks.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, atPointer(event));
    moved = fingers.size > 1 ? Infinity : 0;
  });
  marks.addEventListener("pointermove", (event) => {
    const to = atPointer(event), from = fingers.get(event.pointerId);
    if (!from) return point(timeAt(to[0]), hertz(unitAt(to[1])));
    moved += Math.hypot(to[0] - from[0], to[1] - from[1]);
    if (moved < 4) return undefined;
    const other = Array.from(fingers).find(([id]) => id !== event.pointerId)?.[1];
    [["t", 0, timeAt], ["f", 1, unitAt]].forEach(([axis, i, value]) => {
      if (!other) {
        const [low, high] = range(axis), by = value(from[i]) - value(to[i]);
        show(axis, low + by, high + by);
      } else if (Math.abs(from[i] - other[i]) > 30 && Math.abs(to[i] - other[i]) > 30) {
        zoom(axis, (to[i] - other[i]) / (from[i] - other[i]), value(other[i]));
      }
    });
    fingers.set(event.pointerId, to);
    return undefined;
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    marks.addEventListener(kind, (event) => {
      fingers.delete(event.pointerId);
      if (moved >= 4 || kind === "pointercancel") return;
      const [px, py] = atPointer(event);
      point(timeAt(px), hertz(unitAt(py)));
      seek(cursor.t);
    });
  }
  marks.addEventListener("pointerleave", (event) => { // a finger leaves with every tap
    if (event.pointerType !== "touch") shown = false;
    mark();
  });
  marks.addEventListener("dblclick", everything);

  function everything() {
    view.f = data.shown.slice();
    show("t", begin, end);
    show("f", ...range("f"));
  }

  // ---- sound ----

  function seek(t) {
    if ($("play").disabled) return;
    head = t;
    sound.currentTime = t - data.sound;
    mark();
  }

  function play() {
    if ($("play").disabled) return;
    if (sound.paused) {
      if (head === null || head >= end) seek(view.t[0]);
      sound.play().catch(() => { /* told by its error event */ });
    } else sound.pause();
  }

  function follow() {
    if (sound.paused) return;
    head = sound.currentTime + data.sound;
    if (head >= end) sound.pause();
    const [low, high] = view.t;
    if (head > high && high < end) show("t", head, head + high - low);
    else mark();
    requestAnimationFrame(follow);
  }

  for (const kind of ["play", "pause"]) {
    sound.addEventListener(kind, () => {
      const on = kind === "play";
      $("play").setAttribute("aria-pressed", String(on));
      $("play").textContent = on ? "❚❚ Pause" : "▶ Play";
      if (on) follow();
    });
  }
  function silent() {
    if (!sound.error) return;
    $("play").disabled = true;
    $("silent").textContent = "No sound: it is not there, or this browser cannot play it.";
  }
  sound.addEventListener("error", silent);
  silent();
  $("play").addEventListener("click", play);

  // ---- controls and keys ----

  function choose(layer) {
    view.layer = (layer + layers.length) % layers.length;
    document.querySelectorAll("[name=layer]")[view.layer].checked = true;
    tell();
    request();
  }
  function repaint() {
    for (const name of ["range", "top"]) $(name).nextElementSibling.textContent = `${$(name).value.replace("-", "−")} dB`;
    mix();
    request();
  }
  function rescale() {
    view.scale = $("scale").value;
    show("f", ...view.f.map((hz) => unit(hz)));
  }
  function next(id) {
    $(id).selectedIndex = ($(id).selectedIndex + 1) % $(id).length;
    $(id).dispatchEvent(new Event("input"));
  }

  document.querySelectorAll("[name=layer]").forEach((input, layer) =>
    input.addEventListener("input", () => choose(layer)));
  for (const id of ["range", "top", "colours", "lengths"]) $(id).addEventListener("input", repaint);
  $("scale").addEventListener("input", rescale);
  $("all").addEventListener("click", everything);
  $("keys").addEventListener("click", () => {
    $("help").hidden = !$("help").hidden;
    $("keys").setAttribute("aria-expanded", String(!$("help").hidden));
  });

  function step(right, up, large) { // the cursor by pixels; the plane follows it
    const by = large ? 20 : 1, [low, high] = range("f");
    const u = within(unit(cursor.f) + up * by * (high - low) / inner.h, unit(view.scale === "log" ? data.lowest : 0), unit(top));
    const t = cursor.t + right * by * (view.t[1] - view.t[0]) / inner.w;
    if (t < view.t[0] || t > view.t[1]) pan("t", right / 2);
    if (u < low || u > high) pan("f", up / 2);
    point(t, hertz(u));
  }

  const KEYS = {
    b: () => choose(view.layer + 1), l: () => $("lengths").click(),
    a: () => next("scale"), c: () => next("colours"), "?": () => $("keys").click(), 0: everything,
    " ": play, Enter: () => seek(cursor.t),
    "+": () => zoom("t", 1.5, cursor.t), "=": () => zoom("t", 1.5, cursor.t),
    "-": () => zoom("t", 1 / 1.5, cursor.t),
    PageUp: () => zoom("f", 1.5, unit(cursor.f)), PageDown: () => zoom("f", 1 / 1.5, unit(cursor.f)),
    Home: () => show("t", begin, begin + view.t[1] - view.t[0]),
    End: () => show("t", end - view.t[1] + view.t[0], end),
    ArrowLeft: (large) => step(-1, 0, large), ArrowRight: (large) => step(1, 0, large),
    ArrowUp: (large) => step(0, 1, large), ArrowDown: (large) => step(0, -1, large),
  };
  layers.forEach((_, layer) => { KEYS[layer + 1] = () => choose(layer); });

  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const own = KEYS[key.length === 1 ? key.toLowerCase() : key];
    // fields and buttons keep their own keys
    const elsewhere = target !== marks && target !== document.body;
    if (!own || (elsewhere && (key.length > 1 || key === " " || target.matches("select")))) return;
    event.preventDefault();
    own(event.shiftKey);
  });

  $("scale").value = view.scale;
  $("range").value = String(data.range);
  if (lengths.rows * lengths.columns === 1) $("lengths").closest("label").hidden = true;
  new ResizeObserver(request).observe(plot);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", request);
  rescale();
  repaint();
})();
