/* scopes.c: interfaces whose names look like numbers. The link replaces eddy_os_interface_index by
 * the function below: to make such an interface takes rights. */
#include "net.h"

unsigned __wrap_eddy_os_interface_index(const char *name);

unsigned __wrap_eddy_os_interface_index(const char *name) {
    if (strcmp(name, "6in4-wan") == 0) return 17;
    if (strcmp(name, "0x") == 0) return 18;
    if (strcmp(name, "44") == 0) return 19;
    return 0;
}

static int scope_of(const char *host) {
    struct sockaddr_storage address;
    int length = eddy_address_parse(&address, host, 1);
    if (length < 0) return length;
    return (int)((const struct sockaddr_in6 *)(const void *)&address)->sin6_scope_id;
}

START_TEST(the_name_of_an_interface_goes_before_its_number) {
    ck_assert_int_eq(scope_of("fe80::1%6in4-wan"), 17);
    ck_assert_int_eq(scope_of("fe80::1%0x"), 18);
    ck_assert_int_eq(scope_of("fe80::1%44"), 19);
    ck_assert_int_eq(scope_of("fe80::1%45"), 45);
    ck_assert_int_eq(scope_of("fe80::1%6in4"), -EINVAL);
    ck_assert_int_eq(scope_of("fe80::1%-45"), -EINVAL);
    ck_assert_int_eq(scope_of("fe80::1%0"), -EINVAL);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("scopes");
    ck_add(suite, "scopes", the_name_of_an_interface_goes_before_its_number);
    return suite;
}
