import { assert } from "@trireme/base";

/**
 * Entries a node holds at most. 64 keeps the tree three levels deep at 100,000 keys while an insertion moves at most
 * 64 pointers.
 */
const NODE_CAPACITY = 64;

/** A node below this size is merged with a neighbour when both fit in one node. */
const NODE_SPARSE = NODE_CAPACITY / 4;

interface Leaf<V> {
  readonly leaf: true;
  keys: string[];
  values: V[];
}

/** `keys[i]` is the smallest key that `children[i + 1]` may hold. */
interface Branch<V> {
  readonly leaf: false;
  keys: string[];
  children: Node<V>[];
}

type Node<V> = Leaf<V> | Branch<V>;

/**
 * A B+tree from byte strings (one character per byte, so that string order is byte order) to values.
 *
 * Scans are synchronous and must not be interleaved with changes; who needs a long walk takes it in slices and seeks
 * again from the last key.
 */
export class Tree<V> {
  private root: Node<V> = { leaf: true, keys: [], values: [] };
  private count = 0;

  get size(): number {
    return this.count;
  }

  get(key: string): V | undefined {
    let node = this.root;
    while (!node.leaf) node = node.children[childIndex(node.keys, key)]!;
    const at = lowerBound(node.keys, key);
    return node.keys[at] === key ? node.values[at] : undefined;
  }

  set(key: string, value: V): void {
    const split = this.insert(this.root, key, value);
    if (split !== undefined) {
      this.root = { leaf: false, keys: [split.key], children: [this.root, split.right] };
    }
  }

  /** Removes the key; answers whether it was there. */
  delete(key: string): boolean {
    const removed = this.remove(this.root, key);
    if (!this.root.leaf && this.root.children.length === 1) this.root = this.root.children[0]!;
    return removed;
  }

  /**
   * Visits the entries of `[from, to)` in order (`to` undefined: to the end) until `visit` answers false. Answers
   * whether the walk reached the end of the range.
   */
  scan(from: string, to: string | undefined, visit: (key: string, value: V) => boolean): boolean {
    return walk(this.root, from, to, visit) !== STOPPED;
  }

  private insert(node: Node<V>, key: string, value: V): { key: string; right: Node<V> } | undefined {
    if (node.leaf) {
      const at = lowerBound(node.keys, key);
      if (node.keys[at] === key) {
        node.values[at] = value;
        return undefined;
      }
      node.keys.splice(at, 0, key);
      node.values.splice(at, 0, value);
      this.count += 1;
      if (node.keys.length <= NODE_CAPACITY) return undefined;
      // Keys that come in order (a snapshot being read, names with a counter) leave full nodes behind them.
      const half = at === node.keys.length - 1 ? node.keys.length - 1 : node.keys.length >> 1;
      const right: Leaf<V> = { leaf: true, keys: node.keys.splice(half), values: node.values.splice(half) };
      return { key: right.keys[0]!, right };
    }
    const at = childIndex(node.keys, key);
    const split = this.insert(node.children[at]!, key, value);
    if (split === undefined) return undefined;
    node.keys.splice(at, 0, split.key);
    node.children.splice(at + 1, 0, split.right);
    if (node.children.length <= NODE_CAPACITY) return undefined;
    const half = node.children.length >> 1;
    const right: Branch<V> = { leaf: false, keys: node.keys.splice(half), children: node.children.splice(half) };
    return { key: node.keys.pop()!, right };
  }

  private remove(node: Node<V>, key: string): boolean {
    if (node.leaf) {
      const at = lowerBound(node.keys, key);
      if (node.keys[at] !== key) return false;
      node.keys.splice(at, 1);
      node.values.splice(at, 1);
      this.count -= 1;
      return true;
    }
    const at = childIndex(node.keys, key);
    const child = node.children[at]!;
    if (!this.remove(child, key)) return false;
    if (sizeOf(child) < NODE_SPARSE) mergeAround(node, at);
    return true;
  }
}

const DONE = 0;
const STOPPED = 1;
const PAST_END = 2;

function walk<V>(
  node: Node<V>,
  from: string,
  to: string | undefined,
  visit: (key: string, value: V) => boolean,
): typeof DONE | typeof STOPPED | typeof PAST_END {
  if (node.leaf) {
    for (let i = lowerBound(node.keys, from); i < node.keys.length; i++) {
      const key = node.keys[i]!;
      if (to !== undefined && key >= to) return PAST_END;
      if (!visit(key, node.values[i]!)) return STOPPED;
    }
    return DONE;
  }
  for (let i = childIndex(node.keys, from); i < node.children.length; i++) {
    const outcome = walk(node.children[i]!, from, to, visit);
    if (outcome !== DONE) return outcome;
  }
  return DONE;
}

function sizeOf<V>(node: Node<V>): number {
  return node.leaf ? node.keys.length : node.children.length;
}

/** Joins `children[at]` with a neighbour where the two fit in one node. */
function mergeAround<V>(parent: Branch<V>, at: number): void {
  for (const left of [at - 1, at]) {
    const a = parent.children[left];
    const b = parent.children[left + 1];
    if (a === undefined || b === undefined || sizeOf(a) + sizeOf(b) > NODE_CAPACITY) continue;
    if (a.leaf) {
      assert(b.leaf, "all leaves of a tree are at one depth");
      a.keys.push(...b.keys);
      a.values.push(...b.values);
    } else {
      assert(!b.leaf, "all leaves of a tree are at one depth");
      a.keys.push(parent.keys[left]!, ...b.keys);
      a.children.push(...b.children);
    }
    parent.keys.splice(left, 1);
    parent.children.splice(left + 1, 1);
    return;
  }
}

/** Index of the first key that is not less than `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Index of the child whose span holds `key`. */
function childIndex(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keys[middle]! <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}
