# SPDX-License-Identifier: Apache-2.0

# HNV_CHECK_OVS
# -------------
# Finds the source of Open vSwitch, a directory or a tarball, that the build
# unpacks, grafts and compiles in the build tree (see ovs.mk).
#
# Outputs: OVS_SOURCE, what to build from; OVS_BUILD, where a built tree is or
# will be; OVS_CONFIGURE_ARGS; the conditional OVS_PREBUILT.
AC_DEFUN([HNV_CHECK_OVS], [
  AC_REQUIRE([AC_PROG_EGREP])
  AC_ARG_WITH([ovs-source],
    [AS_HELP_STRING([--with-ovs-source=DIR|TARBALL],
      [source of Open vSwitch
       [/usr/src/openvswitch/openvswitch.tar.gz, of openvswitch-source]])],
    [OVS_SOURCE=$withval],
    [OVS_SOURCE=/usr/src/openvswitch/openvswitch.tar.gz])
  AC_ARG_WITH([ovs-build],
    [AS_HELP_STRING([--with-ovs-build=DIR],
      [use the tree that another build directory of this project made
       (its "ovs" folder) instead of building Open vSwitch again])],
    [OVS_BUILD=$withval], [OVS_BUILD=])

  AC_MSG_CHECKING([for the source of Open vSwitch])
  AS_CASE([$OVS_SOURCE],
    [yes | no | ''],
      [AC_MSG_ERROR([--with-ovs-source needs a directory or a tarball])],
    [/*], [],
    [OVS_SOURCE=`pwd`/$OVS_SOURCE])
  AS_IF([test -n "$OVS_BUILD"],
    [AS_IF([test -f "$OVS_BUILD/ovsdb/.libs/libovsdb.a"], [],
       [AC_MSG_ERROR([--with-ovs-build: $OVS_BUILD holds no built Open vSwitch
(no ovsdb/.libs/libovsdb.a)])])
     AS_IF([test -f "$OVS_BUILD/hnv-graft"], [],
       [AC_MSG_ERROR([--with-ovs-build: $OVS_BUILD is an Open vSwitch without
the datapath extension.  Build it with this version of the project (make, in
the build directory that it belongs to), or leave the option out])])
     AS_IF([test -x "$OVS_BUILD/vswitchd/ovs-vswitchd"], [],
       [AC_MSG_ERROR([--with-ovs-build: $OVS_BUILD holds no built switch
(no vswitchd/ovs-vswitchd)])])
     OVS_BUILD=`cd "$OVS_BUILD" && pwd`
     AC_MSG_RESULT([built in $OVS_BUILD])],
    [test -f "$OVS_SOURCE/lib/ovsdb-idl.c" && test -x "$OVS_SOURCE/configure"],
    [AC_MSG_RESULT([$OVS_SOURCE])],
    [test -d "$OVS_SOURCE"],
    [AC_MSG_ERROR([$OVS_SOURCE is not the source of an Open vSwitch release
(it lacks lib/ovsdb-idl.c or configure)])],
    [test -f "$OVS_SOURCE"],
    [AS_IF([tar -tf "$OVS_SOURCE" 2>/dev/null | $EGREP -c \
             '^(\./)?@<:@^/@:>@+/(lib/ovsdb-idl\.c|configure)$' \
             | $EGREP '^2$' >/dev/null],
       [AC_MSG_RESULT([$OVS_SOURCE])],
       [AC_MSG_ERROR([$OVS_SOURCE is not the tarball of an Open vSwitch
release (tar finds no lib/ovsdb-idl.c and configure in one folder in it)])])],
    [AC_MSG_ERROR([$OVS_SOURCE: not found.
Install openvswitch-source (Debian), or name a source tree or tarball of Open
vSwitch with --with-ovs-source=DIR|TARBALL])])
  AM_CONDITIONAL([OVS_PREBUILT], [test -n "$OVS_BUILD"])
  AS_IF([test -n "$OVS_BUILD"], [], [OVS_BUILD='$(abs_top_builddir)/ovs'])
  AC_ARG_WITH([dpdk],
    [AS_HELP_STRING([--with-dpdk@<:@=static|shared|yes@:>@],
      [build ovs-vswitchd-hnv with DPDK, as Open vSwitch's option of that name
       says])],
    [AS_CASE([$withval],
       [no], [OVS_CONFIGURE_ARGS=],
       [OVS_CONFIGURE_ARGS="--with-dpdk=$withval"])],
    [OVS_CONFIGURE_ARGS=])
  HNV_CHECK_DPDK_HEADERS
  AC_SUBST([OVS_CONFIGURE_ARGS])
  AC_SUBST([OVS_SOURCE])
  AC_SUBST([OVS_BUILD])
])

# HNV_CHECK_DPDK_HEADERS
# ----------------------
# In an Open vSwitch with DPDK a packet begins with DPDK's own structure, so
# whatever includes dp-packet.h needs DPDK's headers, with the flags that Open
# vSwitch compiles them with: pkg-config's, but for those that choose
# processors.
AC_DEFUN([HNV_CHECK_DPDK_HEADERS], [
  OVS_DPDK_CPPFLAGS=
  AS_IF([test -n "$OVS_CONFIGURE_ARGS" || \
         grep '^#define DPDK_NETDEV 1' "$OVS_BUILD/config.h" \
             >/dev/null 2>&1],
    [PKG_CHECK_MODULES([DPDK], [libdpdk])
     OVS_DPDK_CPPFLAGS=`AS_ECHO(["$DPDK_CFLAGS -mssse3"]) | $SED \
         -e 's/-march=[[^ ]]*//g' -e 's/-mno-avx512f//g' \
         -e 's/-I *\//-isystem \//g'`])
  AC_SUBST([OVS_DPDK_CPPFLAGS])
])

# HNV_CHECK_SANITIZERS
# --------------------
# --enable-sanitizers builds everything, Open vSwitch's libraries included,
# with the address and undefined-behaviour sanitizers, or with those that are
# named.
AC_DEFUN([HNV_CHECK_SANITIZERS], [
  AC_ARG_ENABLE([sanitizers],
    [AS_HELP_STRING([--enable-sanitizers@<:@=LIST@:>@],
      [build with -fsanitize=LIST [address,undefined]; "thread" is for the
       tests with several threads])],
    [], [enable_sanitizers=no])
  AS_CASE([$enable_sanitizers],
    [no], [SANITIZE_CFLAGS=],
    [yes], [SANITIZE_CFLAGS=-fsanitize=address,undefined],
    [SANITIZE_CFLAGS="-fsanitize=$enable_sanitizers"])
  AS_IF([test -n "$SANITIZE_CFLAGS"],
    [SANITIZE_CFLAGS="$SANITIZE_CFLAGS -fno-omit-frame-pointer"])
  AC_SUBST([SANITIZE_CFLAGS])

  dnl See tests/unit/tsan-rcu.h.
  AS_CASE([$enable_sanitizers],
    [*thread*], [RCU_WRAP_LDFLAGS=-Wl,--wrap=ovsrcu_postpone__],
    [RCU_WRAP_LDFLAGS=])
  AC_SUBST([RCU_WRAP_LDFLAGS])
])

# HNV_CHECK_WARNINGS
# ------------------
AC_DEFUN([HNV_CHECK_WARNINGS], [
  AC_ARG_ENABLE([Werror],
    [AS_HELP_STRING([--enable-Werror], [treat warnings as errors])],
    [], [enable_Werror=no])
  WARNING_CFLAGS=
  for flag in -Wall -Wextra -Wshadow -Wformat=2 -Wformat-security \
      -Wpointer-arith -Wstrict-prototypes -Wold-style-definition \
      -Wmissing-prototypes -Wswitch-enum -Wbad-function-cast -Wundef \
      -Wwrite-strings -Wduplicated-cond -Wlogical-op -Wvla \
      -Wno-sign-compare -Wno-format-nonliteral; do
    AC_MSG_CHECKING([whether $CC accepts $flag])
    hnv_save_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS -Werror $flag"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
      [AC_MSG_RESULT([yes]); WARNING_CFLAGS="$WARNING_CFLAGS $flag"],
      [AC_MSG_RESULT([no])])
    CFLAGS=$hnv_save_CFLAGS
  done
  AS_IF([test "$enable_Werror" = yes],
    [WARNING_CFLAGS="$WARNING_CFLAGS -Werror"])
  AC_SUBST([WARNING_CFLAGS])
])
