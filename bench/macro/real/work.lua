-- SPDX-License-Identifier: MIT
-- Binary trees, tables of strings, closures: the collector frees as often as the program allocates.
local function tree(depth)
  if depth == 0 then return {} end
  return { tree(depth - 1), tree(depth - 1) }
end
local function count(node)
  if not node[1] then return 1 end
  return 1 + count(node[1]) + count(node[2])
end
local total = 0
local long_lived = tree(15)
for i = 1, 24 do total = total + count(tree(13)) end
local words = {}
for i = 1, 150000 do words[#words + 1] = ("word %d "):format(i * 7919 % 10007) .. ("y"):rep(i % 40) end
table.sort(words)
local seen, different = {}, 0
for _, word in ipairs(words) do
  if not seen[word] then
    seen[word] = { word, function() return #word end }
    different = different + 1
  end
end
local bytes = 0
for _, entry in pairs(seen) do bytes = bytes + entry[2]() end
print(total, count(long_lived), #words, different, bytes)
