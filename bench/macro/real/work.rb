# SPDX-License-Identifier: MIT
# Strings, hashes, records, JSON: what a web application asks of an interpreter with a collector.
require "json"
random = Random.new(1)
people = Array.new(25_000) do |i|
  { "id" => i, "name" => "person #{random.rand(5000)}", "tags" => Array.new(random.rand(6)) { "tag#{random.rand(500)}" },
    "note" => "n" * random.rand(200) }
end
text = JSON.generate(people)
again = JSON.parse(text)
by_tag = Hash.new { |hash, tag| hash[tag] = [] }
again.each { |person| person["tags"].each { |tag| by_tag[tag] << person["name"] } }
pages = again.each_slice(100).map { |slice| slice.map { |p| "<li>#{p["name"].upcase}: #{p["note"].sub("n", "N")}</li>" }.join("\n") }
words = text.scan(/[a-z]+\d+/).group_by(&:size)
puts text.size, by_tag.sum { |_, names| names.size }, pages.sum(&:size), words.map { |size, all| [size, all.uniq.size] }.sort.inspect
