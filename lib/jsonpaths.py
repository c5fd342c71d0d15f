"""Compiles the names that a Picker looks for into a trie of bytes. Loaded while one is made."""


def _steps(path):
    # "items[0].id" -> ["items", 0, "id"]
    steps = []
    for part in path.split("."):
        name, *indices = part.split("[")
        if name:
            steps.append(name)
        elif steps or not indices:
            raise ValueError("path " + path)
        for index in indices:
            if not index.endswith("]") or not index[:-1].isdigit() or int(index[:-1]) > 254:
                raise ValueError("path " + path)
            steps.append(int(index[:-1]))
    return steps


class Tables:
    # Compiles paths. trie: 4 bytes a node (byte or index, sibling, child, value node); node 0 matches nothing.
    # values: 4 bytes a node (slot, keys, elements, seen); node 0 is nobody's, node 1 is the document.
    def __init__(self):
        self.trie = bytearray(4)
        self.values = bytearray(8)

    def add(self, path, slot):
        value = 1
        for step in _steps(path):
            if isinstance(step, int):
                at = self._node(self.values, 4 * value + 2, step)
            else:
                at = 0
                for byte in step.encode():
                    at = self._node(self.trie, 4 * at + 2, byte) if at else self._node(self.values, 4 * value + 1, byte)
            value = self.trie[4 * at + 3] or self._value(at)
        if self.values[4 * value]:
            raise ValueError("path twice: " + path)
        self.values[4 * value] = slot

    def _node(self, heads, place, byte):
        at = heads[place]
        while at:
            if self.trie[4 * at] == byte:
                return at
            at = self.trie[4 * at + 1]
        at = len(self.trie) // 4
        if at > 255:
            raise ValueError("paths too long")
        self.trie.extend(bytes((byte, heads[place], 0, 0)))
        heads[place] = at
        return at

    def _value(self, at):
        value = len(self.values) // 4
        if value > 255:
            raise ValueError("too many paths")
        self.values.extend(bytes(4))
        self.trie[4 * at + 3] = value
        return value
