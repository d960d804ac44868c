/* label.h: names for handles and requests, for whoever looks at a loop from outside: eddy_loop_walk
 * tells them. A label is memory of its own, beside what it names; what has none pays nothing.
 *
 *     eddy_label_init(&client->label, loop);
 *     (void)eddy_label_set(&client->label, &client->stream, client->name);
 *     ...
 *     eddy_label_clear(&client->label);
 *
 * docs/examples/alive.c has it in full. Loop thread only.
 * @since 0.1 */
#ifndef EDDY_LABEL_H
#define EDDY_LABEL_H

#include <eddy/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All fields are private. 40 bytes where a pointer has 8. While it is set it must not be moved. */
typedef struct eddy_label {
    struct eddy_label *next; /* of its bucket */
    eddy_loop *loop;
    const void *what; /* NULL: it is not set */
    const char *text;
    uint32_t mark; /* the same number in each, from init on */
} eddy_label;

/* Makes `label` one of `loop` that is not set. Cannot fail. */
EDDY_API void eddy_label_init(eddy_label *label, eddy_loop *loop);

/* From now on `text` is what is told of `what`, the address of any handle or request: `&timer`,
 * `&client->stream`, `&write`. It need not be started, nor initialised; it is not looked at. Text
 * and label are borrowed until the label is cleared or set again, which replaces what it said. Of
 * two labels on one address the one that was set last is told, and once that is cleared, the other.
 * A stream is told by the same name where it is connecting; its writes have addresses of their own.
 * O(1) on average. Where there is no memory for a larger table it goes on with the one that it has,
 * and is slower.
 * Errors: -ENOMEM (there is no memory for a table at all, and `label` is not set). Only a loop's
 * first label meets that: once one was set, no other can fail. */
EDDY_API int eddy_label_set(eddy_label *label, const void *what, const char *text);

/* Nothing is told by it any more; nothing happens if it is not set. `label` and its text are yours
 * again. To be called before `what` goes, whose address may be something else's next. A label that
 * is still set when its loop is closed has ended with it: it is yours, and may be initialised anew,
 * but not cleared. In a forked child labels are what they were. */
EDDY_API void eddy_label_clear(eddy_label *label);

/* The text of the label on that address; NULL: there is none. Also inside eddy_loop_walk, whose
 * items have it already. */
EDDY_API const char *eddy_label_of(const eddy_loop *loop, const void *what);

#ifdef __cplusplus
}
#endif
#endif
