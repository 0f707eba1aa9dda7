// The model of this page: text → words and entities, as runtime/inference.py and `predict` give them.

class Tagger {
  // model: what pipelines/exporting/page.py wrote.
  constructor(model) {
    const weight = (name) => tensorOf(model.weights[name]);
    const score = (value) => value ?? -Infinity;
    const { start, end, transitions, kind } = model.head;
    this.model = model;
    this.featurizer = new Featurizer(model.vocabularies, model.digits);
    this.encoder = new ScratchEncoder(weight, model.encoder);
    this.project = [weight("head.project.weight"), weight("head.project.bias")];
    this.head = { kind, start: start.map(score), end: end.map(score), transitions: transitions.map((row) => row.map(score)) };
  }

  // One text → {text, words: [[start, end]], entities: [{start, end, label, score}]}: words in UTF-16 units of the text,
  // entities in words. A generator: of a long text it pauses after each window.
  *answer(text) {
    text = text.replace(/\p{Surrogate}/gu, "\ufffd"); // half of a pair is no character
    const words = segment(text, this.model.unit);
    const features = this.featurizer.features(words.map(([start, end]) => text.slice(start, end)));
    if (!words.length) return { text, words, entities: [] };
    const windows = cutWindows(words.length, this.model.max_words);
    const found = [];
    for (const { start, end } of windows) {
      found.push(this.entities(features.slice(start, end)));
      yield;
    }
    const entities = windows.length > 1 ? joined(windows, found) : found[0];
    return { text, words, entities: entities.map((one) => ({ ...one, score: this.calibrated(one) })) };
  }

  entities(features) {
    const { labels } = this.model;
    const logits = linear(this.encoder.vectors(features), features.length, ...this.project);
    const width = this.project[0].shape[0];
    const rows = features.map((_, word) => Array.from(logits.subarray(word * width, (word + 1) * width)));
    return this.head.kind === "crf-per-type" ? typeEntities(rows, this.head, labels) : tagEntities(rows, this.head, labels);
  }

  // The score that users meet: that of the head through the map of its type (data/calibration.py).
  calibrated({ label, score }) {
    const maps = this.model.calibration;
    if (!maps) return score;
    const { scale, shift } = Object.hasOwn(maps.types, label) ? maps.types[label] : maps.all;
    const inside = Math.min(Math.max(score, 1e-6), 1 - 1e-6);
    return 1 / (1 + Math.exp(-(scale * Math.log(inside / (1 - inside)) + shift)));
  }
}
