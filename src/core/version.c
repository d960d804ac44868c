/* version.c: what this library is. */
#include <eddy.h>

const char *eddy_version(void) {
    return EDDY_VERSION;
}
