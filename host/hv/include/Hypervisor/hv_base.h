/* What all the headers need: the C types, and how an enumeration of a given width is declared. */
#pragma once

#ifdef __APPLE__
#error "a Mac has Hypervisor.framework: leave this folder out of the include path"
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define HV_BEGIN_DECLS extern "C" {
#define HV_END_DECLS }
#else
#define HV_BEGIN_DECLS
#define HV_END_DECLS
#endif

/*
 * hv_reg_t and the like are integers of the width that the ABI has; their constants are plain
 * enumerators. C before C23 has no enumeration of a chosen width, and every compiler takes this.
 */
#define HV_ENUM(name, type, ...)     \
    typedef type name##_t;           \
    enum { __VA_ARGS__ }

/*
 * Names with a number at their end, ten at a time: HV_TEN(F, 3) is F(30) F(31) ... F(39), and
 * HV_DIGITS(F) the first ten. F ends what it makes with a comma.
 */
#define HV_DIGITS(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9)
#define HV_TEN(f, ten)                                                                    \
    f(ten##0) f(ten##1) f(ten##2) f(ten##3) f(ten##4) f(ten##5) f(ten##6) f(ten##7)       \
    f(ten##8) f(ten##9)
#define HV_HUNDRED(f, hundred)                                                            \
    HV_TEN(f, hundred##0) HV_TEN(f, hundred##1) HV_TEN(f, hundred##2)                     \
    HV_TEN(f, hundred##3) HV_TEN(f, hundred##4) HV_TEN(f, hundred##5)                     \
    HV_TEN(f, hundred##6) HV_TEN(f, hundred##7) HV_TEN(f, hundred##8)                     \
    HV_TEN(f, hundred##9)

/* F(0) to F(15), to F(31), to F(63). */
#define HV_16(f) HV_DIGITS(f) f(10) f(11) f(12) f(13) f(14) f(15)
#define HV_32(f) HV_DIGITS(f) HV_TEN(f, 1) HV_TEN(f, 2) f(30) f(31)
#define HV_64(f)                                                                          \
    HV_DIGITS(f) HV_TEN(f, 1) HV_TEN(f, 2) HV_TEN(f, 3) HV_TEN(f, 4) HV_TEN(f, 5)         \
    f(60) f(61) f(62) f(63)
