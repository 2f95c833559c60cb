/* SPDX-License-Identifier: MIT */
/* bottom_steal.pml: draining the stack of a thread that goes on using it (src/cache/drain.cc, MarkBottom and SettleBottom).
 *
 * One owner pops and pushes with plain loads and stores; one drainer takes all but the top object. The owner's stores go through
 * a buffer of two entries, in order (TSO), or in any order with -DWEAK. membarrier() is a full barrier on the owner between two
 * of its instructions: its buffer is empty when the call returns. The lock is taken by the drainer, and by the owner when it
 * pops NULL, so an owner that runs into the new sentinel waits until the drain has ended.
 *
 * slot[0] is the sentinel below the stack. Objects are numbered 1 .. N. Checked: whenever an object changes hands it had exactly
 * one owner, and in the end every object is in exactly one place.
 *
 * Wrong variants, each of which must fail: -DPLAIN_STORE (read and store instead of exchange), -DNO_BARRIER (no membarrier at all),
 * -DNO_RECHECK (the slot is not looked at again). */

#define N 3            /* objects, and slots above the sentinel */
#define OWNER_STEPS 5  /* pops and pushes of the owner */

byte slot[5];  /* slot[0]: sentinel; one spare above */
byte top = N;
byte base = 0;
bool lock = false;
bool owner_done = false;

/* Where each object is: 0 = in the stack, 1 = in the owner's hands, 2 = with the drainer. */
byte place[N + 1];

/* The owner's store buffer: entries of (address, value); address 9 is top. */
byte buf_addr[2], buf_val[2];
byte buffered = 0;

inline apply(a, v) {
  if
  :: a == 9 -> top = v
  :: else -> slot[a] = v
  fi
}
inline drain_first() {
  apply(buf_addr[0], buf_val[0]);
  buf_addr[0] = buf_addr[1];
  buf_val[0] = buf_val[1];
  buffered--
}
inline drain_all() {
  do
  :: buffered > 0 -> drain_first()
  :: else -> break
  od
}
/* A store: into the buffer; a full one drains first. */
inline store(a, v) {
  atomic {
    if
    :: buffered == 2 -> drain_first()
    :: else -> skip
    fi;
    buf_addr[buffered] = a;
    buf_val[buffered] = v;
    buffered++
  }
}
/* A load sees the newest buffered store to its address, else memory. */
inline load(a, into) {
  atomic {
    if
    :: buffered == 2 && buf_addr[1] == a -> into = buf_val[1]
    :: buffered >= 1 && !(buffered == 2 && buf_addr[1] == a) && buf_addr[0] == a -> into = buf_val[0]
    :: else ->
      if
      :: a == 9 -> into = top
      :: else -> into = slot[a]
      fi
    fi
  }
}

/* Hardware: buffered stores become visible at any time. */
proctype Memory() {
  do
  :: atomic { buffered > 0 -> drain_first() }
#ifdef WEAK
  /* Stores to different addresses may pass each other. */
  :: atomic { buffered == 2 && buf_addr[0] != buf_addr[1] -> apply(buf_addr[1], buf_val[1]); buffered-- }
#endif
  :: atomic { owner_done && buffered == 0 -> break }
  od
}

byte hand[4];  /* what the owner holds */
byte held = 0;

proctype Owner() {
  byte t, v, steps = 0;
  do
  :: steps < OWNER_STEPS ->
    steps++;
    if
    :: true -> /* pop */
      load(9, t);
      load(t, v);
      if
      :: v != 0 ->
        store(9, t - 1);
        atomic {
          assert(place[v] == 0);
          place[v] = 1;
          hand[held] = v;
          held++
        }
      :: else -> /* empty, as it seems: the slow path waits for the drain, then looks again */
        atomic { !lock -> lock = true };
        atomic { drain_all() };
        atomic {
          if
          :: slot[top] != 0 -> /* given back */
            v = slot[top];
            assert(place[v] == 0);
            place[v] = 1;
            hand[held] = v;
            held++;
            top = top - 1
          :: else -> assert(top == base)
          fi;
          lock = false
        }
      fi
    :: held > 0 -> /* push */
      atomic {
        /* Not always the one popped last. */
        if
        :: held > 1 -> v = hand[0]; hand[0] = hand[held - 1]; hand[held - 1] = v
        :: true -> skip
        fi;
        held--;
        v = hand[held];
        assert(place[v] == 1);
        place[v] = 0
      };
      load(9, t);
      if
      :: t < 4 ->
        store(t + 1, v);
        store(9, t + 1)
      :: else -> atomic { place[v] = 1; hand[held] = v; held++ }
      fi
    fi
  :: else -> break
  od;
  owner_done = true
}

#ifdef NO_BARRIER
#define membarrier() skip
#else
#define membarrier() atomic { drain_all() }
#endif

proctype Drainer() {
  byte b, keep, t2, now, i;
  atomic { !lock -> lock = true };
  b = top;
  if
  :: b >= base + 2 ->
    b = b - 1;
    if
    :: true ->
#ifdef PLAIN_STORE
      keep = slot[b];
      slot[b] = 0;
#else
      atomic { keep = slot[b]; slot[b] = 0 };
#endif
      if
      :: keep != 0 ->
        membarrier();
        t2 = top;
        membarrier();
        now = slot[b];
#ifdef NO_RECHECK
        now = 0;
#endif
        if
        :: t2 > b && now == 0 -> /* all at and below b is the drainer's */
          atomic {
            assert(place[keep] == 0);
            place[keep] = 2;
            i = base + 1;
            do
            :: i < b ->
              assert(slot[i] != 0 && place[slot[i]] == 0);
              place[slot[i]] = 2;
              i++
            :: else -> break
            od;
            base = b
          }
        :: else -> /* put it back, unless the owner has stored there since */
          atomic {
            if
            :: slot[b] == 0 -> slot[b] = keep
            :: else -> skip
            fi
          }
        fi
      :: else -> skip
      fi
    fi
  :: else -> skip
  fi;
  lock = false
}

/* When all is quiet: each object once. */
inline check_end() {
  atomic {
    i = 1;
    do
    :: i <= N ->
      seen = 0;
      j = base + 1;
      do
      :: j <= top -> seen = seen + (slot[j] == i -> 1 : 0); j++
      :: else -> break
      od;
      assert((place[i] == 0 && seen == 1) || (place[i] != 0 && seen == 0));
      i++
    :: else -> break
    od;
    assert(slot[base] == 0)
  }
}

init {
  byte i, j, seen;
  atomic {
    slot[1] = 1;
    slot[2] = 2;
    slot[3] = 3;
    run Memory();
    run Owner();
    run Drainer()
  };
  (_nr_pr == 1);
  check_end()
}
