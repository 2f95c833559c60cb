# SPDX-License-Identifier: MIT
"""Objects, dictionaries, strings, JSON: an interpreter with every allocation on malloc (PYTHONMALLOC=malloc)."""
import json
import random
import re

generator = random.Random(1)
people = [{"name": f"person {i}", "age": generator.randrange(100),
           "tags": [f"tag{generator.randrange(500)}" for _ in range(generator.randrange(6))]} for i in range(40000)]
text = json.dumps(people)
again = json.loads(text)
by_tag = {}
for person in again:
    for tag in person["tags"]:
        by_tag.setdefault(tag, []).append(person["name"])
words = re.findall(r"[a-z]+\d+", text)
joined = "".join(sorted(set(words)))
squares = [(i, i * i, str(i)) for i in range(200000)]
squares.sort(key=lambda t: t[2])
total = sum(len(v) for v in by_tag.values())
print(len(text), len(words), len(joined), squares[1000][1], total)
