// The forward pass of the scratch encoder (nn/encoders/scratch.py, embedding.py, relative.py) over one sentence.
// Matrices are Float32Array, row after row; sums are taken in double precision.

// Bytes of base64.
const bytesOf = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
const floatsOf = (text) => new Float32Array(bytesOf(text).buffer);

// A float16 as a number.
function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

// One weight as it is in the page → {shape, data: Float32Array}.
function tensorOf({ kind, shape, data, scales }) {
  if (kind === "float32") return { shape, data: floatsOf(data) };
  if (kind === "float16") return { shape, data: Float32Array.from(new Uint16Array(bytesOf(data).buffer), fromHalf) };
  const steps = floatsOf(scales);
  const columns = shape.slice(1).reduce((product, size) => product * size, 1);
  const values = new Int8Array(bytesOf(data).buffer);
  return { shape, data: Float32Array.from(values, (value, index) => value * steps[(index / columns) | 0]) };
}

// x (rows, inner) · weightᵀ (outer, inner) + bias (outer) or 0. Four columns at once: each number of x is read once
// for the four, and no sum waits for another.
function linear(x, rows, { shape: [outer, inner], data: w }, bias) {
  const out = new Float32Array(rows * outer);
  const whole = outer - (outer % 4);
  for (let row = 0; row < rows; row += 1) {
    const from = row * inner;
    const to = row * outer;
    for (let column = 0; column < whole; column += 4) {
      const first = column * inner - from;
      let [a, b, c, d] = [0, 0, 0, 0];
      for (let k = from; k < from + inner; k += 1) {
        const value = x[k];
        a += value * w[first + k];
        b += value * w[first + inner + k];
        c += value * w[first + 2 * inner + k];
        d += value * w[first + 3 * inner + k];
      }
      out[to + column] = a;
      out[to + column + 1] = b;
      out[to + column + 2] = c;
      out[to + column + 3] = d;
    }
    for (let column = whole; column < outer; column += 1) {
      let sum = 0;
      for (let k = 0; k < inner; k += 1) sum += x[from + k] * w[column * inner + k];
      out[to + column] = sum;
    }
    if (bias) for (let column = 0; column < outer; column += 1) out[to + column] += bias.data[column];
  }
  return out;
}

// Adds `more` to x (rows, dim), in place, and normalises each row.
function addAndNorm(x, more, dim, weight, bias) {
  for (let from = 0; from < x.length; from += dim) {
    let mean = 0;
    for (let k = from; k < from + dim; k += 1) mean += x[k] = Math.fround(x[k] + more[k]);
    mean /= dim;
    let variance = 0;
    for (let k = from; k < from + dim; k += 1) variance += (x[k] - mean) ** 2;
    const scale = 1 / Math.sqrt(variance / dim + 1e-5);
    for (let k = 0; k < dim; k += 1) x[from + k] = (x[from + k] - mean) * scale * weight.data[k] + bias.data[k];
  }
}

const relu = (x) => {
  for (let k = 0; k < x.length; k += 1) if (x[k] < 0) x[k] = 0;
  return x;
};

// Characters of a word → a vector: convolutions of several widths, max-pooled.
class SpellingCnn {
  constructor(embedding, convolutions) {
    const [chars, dim] = embedding.shape;
    this.dim = convolutions.reduce((sum, { weight }) => sum + weight.shape[0], 0);
    // What each character adds at each place of each filter: then a convolution is a sum of rows.
    this.convolutions = convolutions.map(({ weight, bias }) => {
      const [filters, , width] = weight.shape;
      const taps = Array.from({ length: width }, () => new Float32Array(chars * filters));
      for (let char = 1; char < chars; char += 1) {
        for (let filter = 0; filter < filters; filter += 1) {
          for (let tap = 0; tap < width; tap += 1) {
            let sum = 0;
            for (let k = 0; k < dim; k += 1) sum += embedding.data[char * dim + k] * weight.data[(filter * dim + k) * width + tap];
            taps[tap][char * filters + filter] = sum;
          }
        }
      }
      return { filters, width, taps, bias: bias.data };
    });
    this.known = new WeakMap(); // the featurizer gives the same list for the same word, as long as it remembers it
  }

  vector(ids) {
    if (!this.known.has(ids)) this.known.set(ids, this.computed(ids));
    return this.known.get(ids);
  }

  computed(ids) {
    const out = new Float32Array(this.dim); // zeros: the ReLU after pooling
    let first = 0;
    for (const { filters, width, taps, bias } of this.convolutions) {
      for (let place = 0; place < ids.length; place += 1) {
        const begin = place - (width >> 1);
        for (let filter = 0; filter < filters; filter += 1) {
          let sum = bias[filter];
          for (let tap = Math.max(0, -begin); tap < width && begin + tap < ids.length; tap += 1) {
            sum += taps[tap][ids[begin + tap] * filters + filter];
          }
          if (sum > out[first + filter]) out[first + filter] = sum;
        }
      }
      first += filters;
    }
    return out;
  }
}

// Attention with relative positions and a feed-forward part, each added to its input and then normalised.
class RelativeLayer {
  constructor(weight, prefix, heads) {
    const own = (name) => weight(`${prefix}.${name}`);
    const both = (name) => [own(`${name}.weight`), own(`${name}.bias`)];
    this.heads = heads;
    this.qkv = both("attention.qkv");
    this.out = both("attention.out");
    this.distance = own("attention.distance.weight");
    this.position = own("attention.position.weight");
    this.contentBias = own("attention.content_bias").data;
    this.distanceBias = own("attention.distance_bias").data;
    this.inner = both("feed_forward.0");
    this.outer = both("feed_forward.3");
    this.attentionNorm = both("attention_norm");
    this.feedForwardNorm = both("feed_forward_norm");
    this.positions = new Map();
  }

  // R of a distance: the same for all sentences, so it is computed once.
  positionOf(distance, dim) {
    let found = this.positions.get(distance);
    if (!found) {
      const rates = Math.fround(-Math.log(10000) / dim);
      const waves = Float32Array.from({ length: dim }, (_, k) => {
        const angle = Math.fround(distance * Math.fround(Math.exp(Math.fround((k - (k % 2)) * rates))));
        return k % 2 ? Math.cos(angle) : Math.sin(angle);
      });
      found = linear(relu(linear(waves, 1, this.distance)), 1, this.position);
      this.positions.set(distance, found);
    }
    return found;
  }

  // x (rows, dim), changed in place.
  forward(x, rows, dim) {
    const qkv = linear(x, rows, ...this.qkv);
    const table = Array.from({ length: 2 * rows - 1 }, (_, index) => this.positionOf(index - rows + 1, dim));
    const size = dim / this.heads;
    const scale = 1 / Math.sqrt(size);
    const attended = new Float32Array(rows * dim);
    const [byContent, byDistance] = [new Float32Array(size), new Float32Array(size)];
    const scores = new Float64Array(rows);
    for (let first = 0; first < dim; first += size) {
      for (let i = 0; i < rows; i += 1) {
        for (let k = 0; k < size; k += 1) {
          const query = qkv[i * 3 * dim + first + k];
          byContent[k] = query + this.contentBias[first + k];
          byDistance[k] = query + this.distanceBias[first + k];
        }
        let most = -Infinity;
        for (let j = 0; j < rows; j += 1) {
          const relative = table[i - j + rows - 1];
          const key = j * 3 * dim + dim + first;
          let sum = 0;
          for (let k = 0; k < size; k += 1) sum += byContent[k] * qkv[key + k] + byDistance[k] * relative[first + k];
          scores[j] = sum * scale;
          if (scores[j] > most) most = scores[j];
        }
        let total = 0;
        for (let j = 0; j < rows; j += 1) total += scores[j] = Math.exp(scores[j] - most);
        const to = i * dim + first;
        for (let j = 0; j < rows; j += 1) {
          const share = scores[j] / total;
          const value = j * 3 * dim + 2 * dim + first;
          for (let k = 0; k < size; k += 1) attended[to + k] += share * qkv[value + k];
        }
      }
    }
    addAndNorm(x, linear(attended, rows, ...this.out), dim, ...this.attentionNorm);
    const inner = relu(linear(x, rows, ...this.inner));
    addAndNorm(x, linear(inner, rows, ...this.outer), dim, ...this.feedForwardNorm);
  }
}

class ScratchEncoder {
  // weight: name → tensor.
  constructor(weight, { heads, layers, convolutions, bigrams }) {
    this.words = weight("embedding.words");
    this.bigrams = bigrams ? weight("embedding.bigrams") : null;
    if (convolutions) {
      const convolution = (index) => ({
        weight: weight(`embedding.spelling.convolutions.${index}.weight`),
        bias: weight(`embedding.spelling.convolutions.${index}.bias`),
      });
      const all = Array.from({ length: convolutions }, (_, index) => convolution(index));
      this.spelling = new SpellingCnn(weight("embedding.spelling.embedding.weight"), all);
    }
    this.projection = [weight("projection.weight"), weight("projection.bias")];
    this.layers = Array.from({ length: layers }, (_, index) => new RelativeLayer(weight, `transformer.layers.${index}`, heads));
    [this.dim] = this.projection[0].shape;
  }

  // Features of words → (words, dim).
  vectors(features) {
    const width = this.projection[0].shape[1];
    const embedded = new Float32Array(features.length * width);
    const row = (table, id) => table.data.subarray(id * table.shape[1], (id + 1) * table.shape[1]);
    features.forEach(({ word, spelling, next, before }, index) => {
      const parts = [row(this.words, word)];
      if (this.spelling) parts.push(this.spelling.vector(spelling));
      if (this.bigrams) parts.push(row(this.bigrams, next), row(this.bigrams, before));
      let at = index * width;
      for (const part of parts) {
        embedded.set(part, at);
        at += part.length;
      }
    });
    const x = linear(embedded, features.length, ...this.projection);
    for (const layer of this.layers) layer.forward(x, features.length, this.dim);
    return x;
  }
}
