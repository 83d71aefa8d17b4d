# SPDX-License-Identifier: Apache-2.0

# Open vSwitch as a build input.
#
# Its source is unpacked into $(OVS_BUILD) in the build tree, grafted (the
# datapath extension is put in, see datapath-ext/graft), configured and built
# there once; ovs-built.stamp says that this is done.  A build that is broken
# off starts over with a clean tree; one whose extension has changed takes the
# changed files and goes on.
#
# Its folders are the distribution's, so that ovs-appctl(8) and the agent look
# for sockets in the same place.
#
# Our config.h takes the results of Open vSwitch's checks (ovs-config.h),
# because its private headers are only right with those.

OVS_CPPFLAGS = \
	-isystem $(OVS_BUILD) \
	-isystem $(OVS_BUILD)/include \
	-isystem $(OVS_BUILD)/lib \
	$(OVS_DPDK_CPPFLAGS)
OVS_LIBS = \
	$(OVS_BUILD)/ovsdb/libovsdb.la \
	$(OVS_BUILD)/lib/libopenvswitch.la
OVS_STAMP = ovs-built.stamp

OVS_GRAFT = python3 '$(top_srcdir)/datapath-ext/graft/graft'
OVS_GRAFTED_FROM = $(wildcard \
	$(top_srcdir)/datapath-ext/*.[ch] \
	$(top_srcdir)/datapath-ext/graft/* \
	$(top_srcdir)/agent/model/space.[ch] \
	$(top_srcdir)/agent/util/addr.[ch])

# The stamp's time is that of the beginning: what changes meanwhile is taken
# the next time.

# What is made of it: libraries for the agent, the switch, and what the tests
# talk to the switch with.
OVS_TARGETS = \
	ovsdb/libovsdb.la \
	lib/libopenvswitch.la \
	vswitchd/ovs-vswitchd \
	utilities/ovs-ofctl

# Open vSwitch's "make" leaves no target for some of its programs alone that
# also makes the headers they include, hence the small makefile around its own.
if OVS_PREBUILT
$(OVS_STAMP): $(OVS_GRAFTED_FROM)
	@$(OVS_GRAFT) --check '$(top_srcdir)' '$(OVS_BUILD)' || \
	 { test $$? = 3 && \
	   echo "warning: $(OVS_BUILD) has another datapath extension in it" \
	        "than is here; --with-ovs-build leaves that as it is" >&2; }
	$(AM_V_GEN)touch $@
else
$(OVS_STAMP): $(OVS_GRAFTED_FROM)
	@touch $@.tmp
	@echo "  OVS      unpacking, grafting and building $(OVS_SOURCE)"
	@echo "           (once for this build tree; output in ovs-build.log)"
	@(if test -f ovs/hnv.mk && test -f ovs/hnv-graft && \
	     $(OVS_GRAFT) '$(top_srcdir)' ovs; then \
	     :; \
	 else \
	     rm -rf ovs ovs.tmp && $(MKDIR_P) ovs.tmp && \
	     if test -d '$(OVS_SOURCE)'; then \
	         cp -R '$(OVS_SOURCE)' ovs.tmp/openvswitch; \
	     else \
	         tar -C ovs.tmp -xf '$(OVS_SOURCE)'; \
	     fi && mv ovs.tmp/* ovs && rmdir ovs.tmp && \
	     $(OVS_GRAFT) '$(top_srcdir)' ovs && cd ovs && \
	     unset MAKEFLAGS MFLAGS MAKELEVEL DESTDIR && \
	     ./configure --disable-shared --enable-ssl --quiet \
	         --prefix=/usr --sysconfdir=/etc --localstatedir=/var \
	         $(OVS_CONFIGURE_ARGS) \
	         CC='$(CC)' CFLAGS='$(CFLAGS) $(SANITIZE_CFLAGS)' && \
	     printf '%s\n' 'include Makefile' \
	        'hnv: $$(BUILT_SOURCES)' \
	        '	$$(MAKE) $(OVS_TARGETS)' > hnv.mk; \
	 fi && cd '$(abs_top_builddir)/ovs' && \
	 unset MAKEFLAGS MFLAGS MAKELEVEL DESTDIR && \
	 $(MAKE) -j"$$(nproc)" -f hnv.mk hnv) > ovs-build.log 2>&1 \
	 || { tail -n 20 ovs-build.log >&2; \
	      echo "building Open vSwitch failed: see ovs-build.log" >&2; \
	      exit 1; }
	@mv $@.tmp $@
endif

ovs-config.h: $(OVS_STAMP)
	$(AM_V_GEN)$(SED) -e '/define PACKAGE/d' -e '/define VERSION/d' \
	    $(OVS_BUILD)/config.h > $@.tmp && mv $@.tmp $@

BUILT_SOURCES += ovs-config.h
CLEANFILES += ovs-config.h

# The switch is Open vSwitch's own under another name, beside the stock one;
# and so is the tool that shows its flows, as the stock one cannot.
install-exec-local: $(OVS_STAMP)
	$(MKDIR_P) '$(DESTDIR)$(sbindir)' '$(DESTDIR)$(bindir)'
	$(INSTALL_PROGRAM) '$(OVS_BUILD)/vswitchd/ovs-vswitchd' \
	    '$(DESTDIR)$(sbindir)/ovs-vswitchd-hnv'
	$(INSTALL_PROGRAM) '$(OVS_BUILD)/utilities/ovs-ofctl' \
	    '$(DESTDIR)$(bindir)/ovs-ofctl-hnv'
uninstall-local:
	rm -f '$(DESTDIR)$(sbindir)/ovs-vswitchd-hnv' \
	    '$(DESTDIR)$(bindir)/ovs-ofctl-hnv'

# "make clean" keeps the built Open vSwitch, "make distclean" does not.
distclean-local:
	rm -rf ovs ovs.tmp ovs-build.log $(OVS_STAMP)
