/* SPDX-License-Identifier: MIT */
/* The plugin of loading/deep_host.c: whose malloc it gets, the loader decides. */
#include <stdlib.h>
#include <string.h>

void *DeepMake(size_t size) { return memset(malloc(size), 0x5a, size); }
void *DeepGrow(void *p, size_t size) { return realloc(p, size); }
void DeepFree(void *p) { free(p); }
char *DeepText(void) { return strdup("made by the plugin"); }
