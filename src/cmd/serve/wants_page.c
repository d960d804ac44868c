/* wants_page.c: see wants_page.h. */
#include "wants_page.h"

#include <stddef.h>
#include <string.h>

#include "accept.h"

bool wants_page(const char *path, const char *accept) {
    int weight = accept_weight(accept, "text/html");
    if (weight != ACCEPT_UNNAMED) return weight > 0;
    if (accept != NULL) {
        weight = accept_weight(accept, "text/*");
        if (weight == ACCEPT_UNNAMED) weight = accept_weight(accept, "*/*");
        if (weight <= 0) return false;
    }
    const char *slash = strrchr(path, '/');
    return strchr(slash != NULL ? slash : path, '.') == NULL;
}
