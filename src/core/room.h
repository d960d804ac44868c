/* room.h: what <eddy/arena.h> says that things take is enough for them. */
#ifndef EDDY_CORE_ROOM_H
#define EDDY_CORE_ROOM_H

#include <eddy/arena.h>

/* A block of so many bytes in an arena. */
#define ROOM_OF(bytes) \
    (((bytes) + _Alignof(max_align_t) - 1) / _Alignof(max_align_t) * _Alignof(max_align_t))

#define ROOM_FITS(bytes, bound) _Static_assert(ROOM_OF(bytes) <= (bound), #bound " is too little")

#endif
