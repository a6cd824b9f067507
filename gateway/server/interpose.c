/* interpose.c - finds the function of a library that one of the program's own stands in front of */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/interpose.h"

#include <dlfcn.h>
#include <stddef.h>

#include "gateway/base/check.h"

void *interpose_next(_Atomic(void *) *cache, const char *name)
{
    void *function = atomic_load_explicit(cache, memory_order_relaxed);

    if (function == NULL) {
        function = dlsym(RTLD_NEXT, name); /* two threads may look: both find the same */
        CHECK(function != NULL);
        atomic_store_explicit(cache, function, memory_order_relaxed);
    }
    return function;
}
