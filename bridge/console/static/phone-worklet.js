// The telephone line on the audio thread: microphone to mu-law frames of 20 ms, and a playout buffer with marks.

const RATE_HZ = 8000, FRAME = 160;
const PREBUFFER = RATE_HZ * 0.04; // after an empty buffer: what the page's own thread may be late by
const LOBES = 16, PHASES = 256;

// G.711 mu-law (ITU-T G.711, table 2).
const LINEAR = Float32Array.from({ length: 256 }, (_, code) => {
  const bits = ~code & 0xff;
  const size = (((bits & 0x0f) << 3) + 0x84 << ((bits & 0x70) >> 4)) - 0x84;
  return (bits & 0x80 ? -size : size) / 32768;
});

function encode(sample) {
  const sign = sample < 0 ? 0x80 : 0;
  const size = Math.min(Math.round(Math.abs(sample) * 32768), 32635) + 0x84;
  const exponent = 31 - Math.clz32(size) - 7;
  return ~(sign | exponent << 4 | size >> exponent + 3 & 0x0f) & 0xff;
}

// Any rate to any other by a windowed sinc that stops what lies above the lower rate's half.
class Resampler {
  constructor(from, to) {
    this.step = from / to;
    const narrow = Math.min(1, to / from) * 0.92;
    this.reach = Math.ceil(LOBES / narrow);
    this.kernel = new Float32Array((2 * this.reach + 1) * PHASES + 1);
    for (let i = 0; i < this.kernel.length; i++) {
      const x = i / PHASES - this.reach;
      const inside = Math.abs(x) < this.reach ? 0.5 + 0.5 * Math.cos(Math.PI * x / this.reach) : 0;
      this.kernel[i] = (x === 0 ? 1 : Math.sin(Math.PI * x * narrow) / (Math.PI * x * narrow)) * narrow * inside;
    }
    this.held = new Float32Array(this.reach);
    this.at = 0; // of the next output sample, in input samples from the first that is not only held
  }

  feed(samples) {
    const all = new Float32Array(this.held.length + samples.length);
    all.set(this.held);
    all.set(samples, this.held.length);
    const made = [];
    let place = this.at + this.reach;
    for (; place + this.reach < all.length; place += this.step) {
      const first = Math.ceil(place - this.reach);
      let sum = 0;
      for (let i = first; i <= place + this.reach; i++) sum += all[i] * this.kernel[Math.round((i - place + this.reach) * PHASES)];
      made.push(sum);
    }
    const dropped = Math.max(0, Math.floor(place - this.reach));
    this.held = all.slice(dropped);
    this.at = place - this.reach - dropped;
    return made;
  }
}

const level = (power, count) => count ? Math.max(-60, 10 * Math.log10(power / count + 1e-9)) : -60;

class TelephoneLine extends AudioWorkletProcessor {
  constructor() {
    super();
    this.toLine = new Resampler(sampleRate, RATE_HZ);
    this.fromLine = new Resampler(RATE_HZ, sampleRate);
    this.frame = [];
    this.queue = []; // { samples, at } and { mark }, in order
    this.waiting = 0;
    this.playing = false;
    this.held = 0; // samples for which the first audio has waited
    this.last = false;
    this.out = [];
    this.power = [0, 0];
    this.counts = [0, 0];
    this.port.onmessage = ({ data }) => this.told(data);
  }

  told(data) {
    if (data.audio) {
      this.queue.push({ samples: Float32Array.from(data.audio, (code) => LINEAR[code]), at: 0 });
      this.waiting += data.audio.length;
    } else if (data.mark) {
      this.queue.push({ mark: data.mark });
      if (!this.waiting) this.marks();
    } else if (data.clear) {
      // The carrier sends back the marks of what it throws away.
      const thrown = this.queue.filter((one) => one.mark);
      this.queue = [];
      this.waiting = 0;
      for (const one of thrown) this.port.postMessage({ played: one.mark });
    } else if (data.last) {
      this.last = true;
    }
  }

  marks() {
    while (this.queue[0]?.mark) this.port.postMessage({ played: this.queue.shift().mark });
  }

  // The next millisecond of 8 kHz audio.
  heard(count) {
    const samples = new Float32Array(count);
    if (!this.playing && this.waiting) {
      this.held += count;
      this.playing = this.waiting >= PREBUFFER || this.held >= PREBUFFER;
    }
    if (!this.playing) return samples;
    this.held = 0;
    for (let filled = 0; filled < count && this.waiting;) {
      this.marks();
      const first = this.queue[0];
      const part = first.samples.subarray(first.at, first.at + count - filled);
      samples.set(part, filled);
      filled += part.length;
      first.at += part.length;
      this.waiting -= part.length;
      if (first.at === first.samples.length) this.queue.shift();
    }
    if (!this.waiting) { this.marks(); this.playing = false; }
    return samples;
  }

  process([input], [output]) {
    const speaker = output[0];
    while (this.out.length < speaker.length) this.out.push(...this.fromLine.feed(this.heard(RATE_HZ / 1000)));
    speaker.set(this.out.splice(0, speaker.length));
    for (const one of speaker) this.power[1] += one * one;
    this.counts[1] += speaker.length;
    const microphone = input[0] ?? new Float32Array(speaker.length);
    for (const one of this.toLine.feed(microphone)) {
      this.power[0] += one * one;
      this.counts[0]++;
      this.frame.push(encode(one));
      if (this.frame.length === FRAME) {
        this.port.postMessage({ frame: Uint8Array.from(this.frame) });
        this.frame = [];
      }
    }
    if (this.counts[1] >= sampleRate / 10) {
      this.port.postMessage({ levels: [level(this.power[0], this.counts[0]), level(this.power[1], this.counts[1])] });
      this.power = [0, 0];
      this.counts = [0, 0];
    }
    return !this.last || this.waiting > 0;
  }
}

registerProcessor("telephone-line", TelephoneLine);
