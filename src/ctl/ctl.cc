// SPDX-License-Identifier: MIT
#include "ctl/ctl.h"

#include <errno.h>
#include <string.h>

#include "ctl/request.h"
#include "ctl/tree.h"
#include "stats/snapshot.h"

namespace xalloc {
namespace {

// ---- the table, without a single pointer in it: it costs no relocation, and no page until it is read ----------------------------

enum class From : uint8_t { kTotal, kArena, kBin, kLextent, kOption, kCall };

struct Source {
  From from;
  uint16_t at;  // offset of the word, or which option
};

struct Row {
  uint16_t name;  // in kNames
  CtlType type;
  CtlAccess access;
  Source source;
  uint8_t parts;
  uint8_t first[kMostParts];  // per part, the first row that begins so far as this one does; kIsNumber: a number stands here
};
constexpr uint8_t kIsNumber = 255;

enum OptionIndex : uint16_t {
#define XALLOC_OPTION_INDEX(name, ...) kOption_##name,
  XALLOC_OPTIONS(XALLOC_OPTION_INDEX)
#undef XALLOC_OPTION_INDEX
};

// jemalloc's C types where it has the option, and their like where it has not.
constexpr bool StartsWith(const char* s, const char* with) {
  while (*with != '\0') {
    if (*s++ != *with++) return false;
  }
  return true;
}
constexpr bool Same(const char* a, const char* b) { return StartsWith(a, b) && StartsWith(b, a); }
constexpr CtlType TypeOfOption(const char* name, int64_t low, OptionUnit unit, const char* words) {
  if (StartsWith(words, "false=0|true=1")) return CtlType::B;
  if (unit == OptionUnit::kNone || unit == OptionUnit::kLetters || unit == OptionUnit::kRanges) return CtlType::T;
  if (low < 0 || unit == OptionUnit::kMs || StartsWith(words, "unset=-1") || StartsWith(words, "off=0|cgroup=-1")) return CtlType::S;
  return Same(name, "narenas") ? CtlType::U : CtlType::Z;
}
constexpr CtlType kOptionTypes[] = {
#define XALLOC_OPTION_TYPE(name, def, lo, hi, unit, words, help) TypeOfOption(#name, lo, OptionUnit::unit, words),
    XALLOC_OPTIONS(XALLOC_OPTION_TYPE)
#undef XALLOC_OPTION_TYPE
};

#define Total(field) \
  { From::kTotal, offsetof(TotalNumbers, field) }
#define Arena(field) \
  { From::kArena, offsetof(ArenaNumbers, field) }
#define Bin(field) \
  { From::kBin, offsetof(BinNumbers, field) }
#define Lextent(field) \
  { From::kLextent, offsetof(LextentNumbers, field) }
#define Option(name) \
  { From::kOption, kOption_##name }
#define Call(function) \
  { From::kCall, 0 }

#define Opt B /* set from kOptionTypes */
#define X(name, type, access, source) 1 +
constexpr unsigned kRows = XALLOC_CTL_ROWS 0;
#undef X
#define X(name, type, access, source) sizeof(name) +
constexpr size_t kNameBytes = XALLOC_CTL_ROWS 0;
#undef X

struct Table {
  char names[kNameBytes];
  Row rows[kRows];
};

// Rows that begin alike stand together: the row above has the first one, or this is it.
constexpr void SetFirst(Table& t, unsigned row) {
  Row& r = t.rows[row];
  const char* name = t.names + r.name;
  const char* above = row == 0 ? "" : t.names + t.rows[row - 1].name;
  bool alike = row != 0;
  while (true) {
    const char* part = name;
    while (*name != '.' && *name != '\0') {
      alike = alike && *above == *name;
      above += alike ? 1 : 0;
      ++name;
    }
    alike = alike && (*above == '.' || *above == '\0');
    r.first[r.parts] = *part == '#' ? kIsNumber : alike ? t.rows[row - 1].first[r.parts] : static_cast<uint8_t>(row);
    r.parts++;
    if (*name == '\0') return;
    ++name;
    alike = alike && *above == '.';
    above += alike ? 1 : 0;
  }
}

constexpr Table MakeTable() {
  Table t{};
  unsigned row = 0;
  uint16_t at = 0;
  auto add = [&](const char* name, CtlType type, CtlAccess access, Source source) {
    if (source.from == From::kOption) type = kOptionTypes[source.at];
    t.rows[row++] = {at, type, access, source, 0, {}};
    do {
      t.names[at++] = *name;
    } while (*name++ != '\0');
  };
#define X(name, type, access, ...) add(name, CtlType::type, CtlAccess::access, __VA_ARGS__);
  XALLOC_CTL_ROWS
#undef X
  for (unsigned i = 0; i < kRows; ++i) SetFirst(t, i);
  return t;
}
#undef Total
#undef Arena
#undef Bin
#undef Lextent
#undef Option
#undef Call
#undef Opt

constexpr Table kTable = MakeTable();
static_assert(kRows < kIsNumber);

const char* NameOf(unsigned row) { return kTable.names + kTable.rows[row].name; }

// ---- names -------------------------------------------------------------------------------------------------------------------

struct Part {
  const char* text;
  size_t length;
};

Part PartAt(const char* name, unsigned k) {
  for (; k > 0; --k) {
    name += strcspn(name, ".");
    if (*name == '\0') return {name, 0};
    ++name;
  }
  return {name, strcspn(name, ".")};
}

unsigned Parts(const char* name) {
  unsigned n = 1;
  for (; *name != '\0'; ++name) n += *name == '.' ? 1 : 0;
  return n;
}

bool IsNumber(Part part) { return part.length == 1 && *part.text == '#'; }
bool SamePart(Part a, Part b) { return a.length == b.length && memcmp(a.text, b.text, a.length) == 0; }

bool ParseIndex(Part part, size_t& value) {
  value = 0;
  if (part.length == 0 || part.length > 9) return false;
  for (size_t i = 0; i < part.length; ++i) {
    if (part.text[i] < '0' || part.text[i] > '9') return false;
    value = value * 10 + static_cast<size_t>(part.text[i] - '0');
  }
  return true;
}

// Which number a '#' is: an arena, a bin, an lextent. Told by what stands before it.
bool IndexIsInRange(unsigned row, unsigned k, size_t value) {
  const Part before = PartAt(NameOf(row), k - 1);
  const char first = *before.text;
  if (first == 'b') return value < kNumClasses;  // bin, bins
  if (first == 'l') return value < kLextents;    // lextent, lextents
  const bool stats = *NameOf(row) == 's';
  return value <= ArenaCount() || value == kMerged || (stats && value == kDestroyed);
}

// ---- access ------------------------------------------------------------------------------------------------------------------

// A leaf's row is its MIB's last number that stands for a name.
int FindLeaf(const size_t* mib, size_t length, unsigned& row, Request& request) {
  if (length == 0 || length > kMostParts || mib[length - 1] >= kRows) return ENOENT;
  row = static_cast<unsigned>(mib[length - 1]);
  const Row& leaf = kTable.rows[row];
  if (leaf.parts != length) return ENOENT;
  unsigned numbers = 0;
  for (unsigned k = 0; k < length; ++k) {
    if (leaf.first[k] != kIsNumber) {
      if (mib[k] != leaf.first[k]) return ENOENT;
      continue;
    }
    if (!IndexIsInRange(row, k, mib[k])) return ENOENT;
    request.index[numbers++] = mib[k];
  }
  return 0;
}

uint64_t WordAt(const void* base, size_t offset) { return __atomic_load_n(reinterpret_cast<const uint64_t*>(static_cast<const char*>(base) + offset), __ATOMIC_RELAXED); }

int ReadArenaWord(Source source, Request& request) {
  const size_t arena = request.index[0] == ArenaCount() ? size_t{kMerged} : request.index[0];
  const ArenaNumbers* numbers = NumbersOf(static_cast<unsigned>(arena));
  if (numbers == nullptr) return request.out = 0, 0;  // made since the last epoch
  const void* base = numbers;
  if (source.from == From::kBin) base = &numbers->bins[request.index[1] + 1];
  if (source.from == From::kLextent) base = &numbers->lextents[request.index[1]];
  request.out = WordAt(base, source.at);
  return 0;
}

int Value(unsigned row, Request& request) {
  const Source source = kTable.rows[row].source;
  switch (source.from) {
    case From::kTotal:
      request.out = WordAt(&TotalsOfEpoch(), source.at);
      return 0;
    case From::kArena:
    case From::kBin:
    case From::kLextent:
      return ReadArenaWord(source, request);
    case From::kOption:
      request.out = ValueOfOption(source.at);
      return 0;
    case From::kCall:
      break;
  }
  return CallLeaf(row, request);
}

bool IsOfSnapshot(const Row& leaf) { return leaf.source.from != From::kOption && leaf.source.from != From::kCall; }

size_t SizeOf(CtlType type) {
  switch (type) {
    case CtlType::B:
      return sizeof(bool);
    case CtlType::U:
    case CtlType::W:
      return sizeof(uint32_t);
    case CtlType::V:
      return 0;
    default:
      return sizeof(uint64_t);
  }
}

int CheckWrite(unsigned row, const void* fresh, size_t fresh_length) {
  if (fresh == nullptr && fresh_length == 0) return 0;
  if ((static_cast<unsigned>(kTable.rows[row].access) & static_cast<unsigned>(CtlAccess::W)) == 0) return EPERM;
  const size_t wanted = kTable.rows[row].access == CtlAccess::RP ? sizeof(void*) : SizeOf(kTable.rows[row].type);
  return fresh == nullptr || fresh_length != wanted ? EINVAL : 0;
}

}  // namespace

int CtlNameToMib(const char* name, size_t* mib, size_t* length) {
  const unsigned parts = Parts(name);
  if (parts > kMostParts || *length == 0) return ENOENT;
  unsigned low = 0, high = kRows;  // rows that begin as the name does, so far
  for (unsigned k = 0; k < parts; ++k) {
    const Part part = PartAt(name, k);
    size_t number = 0;
    while (low < high && !(IsNumber(PartAt(NameOf(low), k)) ? ParseIndex(part, number) && IndexIsInRange(low, k, number) : SamePart(PartAt(NameOf(low), k), part))) ++low;
    if (low == high) return ENOENT;
    unsigned end = low + 1;
    while (end < high && SamePart(PartAt(NameOf(end), k), PartAt(NameOf(low), k))) ++end;
    high = end;
    if (k < *length) mib[k] = IsNumber(PartAt(NameOf(low), k)) ? number : low;
  }
  *length = Min(*length, size_t{parts});
  return 0;
}

int CtlByMib(const size_t* mib, size_t length, void* old, size_t* old_length, const void* fresh, size_t fresh_length) {
  Request request{};
  unsigned row = 0;
  if (const int error = FindLeaf(mib, length, row, request); error != 0) return error;
  const Row& leaf = kTable.rows[row];
  if (IsOfSnapshot(leaf) && EpochNow() == 0) RefreshSnapshot();
  const bool with_old = old != nullptr || old_length != nullptr;
  if (leaf.type == CtlType::V && (with_old || fresh != nullptr || fresh_length != 0)) return EPERM;
  if (leaf.access == CtlAccess::W && with_old) return EPERM;
  if (const int error = CheckWrite(row, fresh, fresh_length); error != 0) return error;
  const size_t size = SizeOf(leaf.type);
  request.reading = old != nullptr && old_length != nullptr;
  request.writing = fresh != nullptr;
  request.old = old;
  const bool fits = !request.reading || *old_length == size;
  // Nothing is done for one who could not be told.
  if (!fits && (request.writing || leaf.access == CtlAccess::RP || leaf.access == CtlAccess::RC)) {
    *old_length = 0;
    return EINVAL;
  }
  if (request.writing) memcpy(&request.in, fresh, fresh_length);
  if (leaf.type == CtlType::B && request.writing) request.in = (request.in & 0xff) != 0 ? 1 : 0;
  if (const int error = Value(row, request); error != 0) return error;
  if (!request.reading) return 0;
  const size_t copied = Min(*old_length, size);
  if (request.old != nullptr) memcpy(old, &request.out, copied);
  *old_length = copied;
  return fits ? 0 : EINVAL;
}

int CtlByName(const char* name, void* old, size_t* old_length, const void* fresh, size_t fresh_length) {
  size_t mib[kMostParts];
  size_t length = kMostParts;
  const int error = CtlNameToMib(name, mib, &length);
  return error != 0 ? error : CtlByMib(mib, length, old, old_length, fresh, fresh_length);
}

unsigned CtlLeaves() { return kRows; }
CtlLeaf CtlLeafAt(unsigned row) { return {NameOf(row), kTable.rows[row].type, kTable.rows[row].access}; }

}  // namespace xalloc
