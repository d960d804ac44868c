/* version.c: what this library is. */
#include <eddy.h>

const char *eddy_version(void) {
    return EDDY_VERSION;
}

int eddy_version_number(void) {
    return EDDY_VERSION_NUMBER;
}
