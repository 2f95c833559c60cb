/* SPDX-License-Identifier: MIT */
/* page_map.pml: what `free` finds about an address while slabs come and go (meta/page_map.h, ExtentHeap::SetOwners, NewSlabs, ReleaseSlabs).
 *
 * One granule in one hugepage. Two makers want it, for slabs of different classes, one after the other: each opens the hugepage if need be,
 * describes its extent, enters it as owner, writes the code of its class, hands a block over through a depot, waits until it has come
 * back, clears code and owner, and gives the granule up. A user frees the blocks: it got each through the depot's lock. A wild thread frees the
 * same address and has got it from nobody: it synchronises with no one.
 *
 * Stores go to memory late and in any order, each thread's to one place excepted; a release store goes after all that its thread stored before
 * it; giving a lock back waits for all of them, as does what a thread does under another's eyes. Loads take what is in memory, in the order of
 * the program: each of those modelled depends on the one before it by address or is an acquire.
 *
 * Checked: the user finds hugepage, owner and code of the class it got, also where the granule had another class before. The wild thread finds nothing,
 * or a whole entry: no hugepage whose description is missing, no owner of which half is there. (Not here: an extent's description that is used
 * again while the wild thread reads it. That is a double free in the same instant; Arena::FlushToSlabs looks again under the bin's lock.)
 *
 * Wrong variants, each of which must fail: -DNO_RELEASE (owner and hugepage entered by plain stores), -DOWNER_FIRST (entered before it is
 * described), -DNO_HAND_OVER (the depot's lock orders nothing), -DCLEAR_LATE (the code is cleared after the granule was given up). */

#define NONE 255
#define MAKERS 2
#define ROUNDS 2 /* blocks that the user frees: one of each slab */

/* Memory. Extents, classes and makers are numbered 1 and 2; 0: not there. */
byte code = 0, owner = 0, hugepage = 0, opened = 0;
byte kind[3], class[3]; /* two words of each extent's description */

/* Not ordered by the stores under test: the locks of heap and depot, and what they guard. */
bool granule_free = true, known_open = false;
byte depot = 0, back = 0;
byte makers_done = 0;

/* Stores under way, of each maker; NONE: none. */
byte to_code[3] = NONE, to_owner[3] = NONE, to_hugepage[3] = NONE, to_opened[3] = NONE, to_kind[3] = NONE, to_class[3] = NONE;

#define settle(pending, memory) \
  if                            \
  :: pending != NONE -> memory = pending; pending = NONE \
  :: else -> skip               \
  fi

#ifdef NO_RELEASE
#define described(m) true
#define described_hugepage(m) true
#else
#define described(m) (to_kind[m] == NONE && to_class[m] == NONE)
#define described_hugepage(m) (to_opened[m] == NONE)
#endif

/* All of it is in memory. */
inline settle_all(m) {
  settle(to_opened[m], opened);
  settle(to_hugepage[m], hugepage);
  settle(to_kind[m], kind[m]);
  settle(to_class[m], class[m]);
  settle(to_owner[m], owner);
  settle(to_code[m], code)
}

/* Hardware. */
proctype Memory(byte m) {
  do
  :: atomic { to_opened[m] != NONE -> settle(to_opened[m], opened) }
  :: atomic { to_hugepage[m] != NONE && described_hugepage(m) -> settle(to_hugepage[m], hugepage) }
  :: atomic { to_kind[m] != NONE -> settle(to_kind[m], kind[m]) }
  :: atomic { to_class[m] != NONE -> settle(to_class[m], class[m]) }
  :: atomic { to_owner[m] != NONE && described(m) -> settle(to_owner[m], owner) }
  :: atomic { to_code[m] != NONE -> settle(to_code[m], code) }
  :: atomic { makers_done == MAKERS -> break }
  od
}

proctype Maker(byte m) {
  /* The heap's lock: the granule, and whether the hugepage is open. */
  atomic { granule_free -> granule_free = false };
  if
  :: !known_open ->
    to_opened[m] = 1;
    to_hugepage[m] = 1;
    atomic { settle_all(m); known_open = true }
  :: else -> skip
  fi;
#ifdef OWNER_FIRST
  to_owner[m] = m;
  atomic { settle(to_owner[m], owner) };
#endif
  to_kind[m] = m;
  to_class[m] = m;
#ifndef OWNER_FIRST
  to_owner[m] = m;
#endif
  to_code[m] = m;
  /* The block goes into the depot, under its lock. */
  atomic {
    depot == 0;
#ifndef NO_HAND_OVER
    settle_all(m);
#endif
    depot = m
  };
  /* Its last block comes back, under the bin's lock. */
  atomic { back == m -> back = 0 };
#ifndef CLEAR_LATE
  atomic { settle(to_code[m], code); to_code[m] = 0 };
#endif
  /* The heap's lock again. */
  atomic { settle(to_owner[m], owner); to_owner[m] = 0 };
  atomic { settle_all(m); granule_free = true };
#ifdef CLEAR_LATE
  atomic { settle(to_code[m], code); to_code[m] = 0 };
#endif
  atomic { settle_all(m); makers_done++ }
}

proctype User() {
  byte rounds = 0, mine, c, o;
  do
  :: rounds < ROUNDS ->
    rounds++;
    atomic { depot != 0 -> mine = depot; depot = 0 };
    c = code;
    assert(c == mine);
    assert(hugepage == 1 && opened == 1);
    o = owner;
    assert(o != 0);
    assert(kind[o] == mine && class[o] == mine);
    back = mine
  :: else -> break
  od
}

proctype Wild() {
  byte c, o, k, l;
  c = code;
  assert(c <= MAKERS);
  if
  :: hugepage == 1 ->
    assert(opened == 1);
    o = owner;
    if
    :: o != 0 ->
      k = kind[o];
      l = class[o];
      assert(k == o && l == o)
    :: else -> skip
    fi
  :: else -> skip
  fi
}

init {
  atomic {
    run Memory(1);
    run Memory(2);
    run Maker(1);
    run Maker(2);
    run User();
    run Wild()
  };
  (_nr_pr == 1);
  assert(code == 0 && owner == 0)
}
