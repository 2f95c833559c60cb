/* SPDX-License-Identifier: MIT */
/* One of twenty libraries with eight bytes of initial-exec thread-local storage: they use up what the loader keeps for late comers. */
static __thread long value __attribute__((tls_model("initial-exec"))) = 1;
long NAME(void);
long NAME(void) { return value++; }
