# SPDX-License-Identifier: Apache-2.0

# Open vSwitch as a build input.
#
# Its source is unpacked into $(OVS_BUILD) in the build tree, configured and
# built there once; ovs/built.stamp says that this is done.  A build that is
# broken off starts over with a clean tree.
#
# Its folders are the distribution's, so that ovs-appctl(8) and the agent look
# for sockets in the same place.
#
# Our config.h takes the results of Open vSwitch's checks (ovs-config.h),
# because its private headers are only right with those.

OVS_CPPFLAGS = \
	-isystem $(OVS_BUILD) \
	-isystem $(OVS_BUILD)/include \
	-isystem $(OVS_BUILD)/lib
OVS_LIBS = \
	$(OVS_BUILD)/ovsdb/libovsdb.la \
	$(OVS_BUILD)/lib/libopenvswitch.la
OVS_STAMP = ovs-built.stamp

# Open vSwitch's "make" leaves no target for its two libraries alone that also
# makes the headers they include, hence the small makefile around its own.
if OVS_PREBUILT
$(OVS_STAMP):
	$(AM_V_GEN)touch $@
else
$(OVS_STAMP):
	@echo "  OVS      unpacking, configuring and building $(OVS_SOURCE)"
	@echo "           (once for this build tree; output in ovs-build.log)"
	@rm -rf ovs ovs.tmp && $(MKDIR_P) ovs.tmp
	@(if test -d '$(OVS_SOURCE)'; then \
	     cp -R '$(OVS_SOURCE)' ovs.tmp/openvswitch; \
	 else \
	     tar -C ovs.tmp -xf '$(OVS_SOURCE)'; \
	 fi && mv ovs.tmp/* ovs && rmdir ovs.tmp && cd ovs && \
	 unset MAKEFLAGS MFLAGS MAKELEVEL DESTDIR && \
	 ./configure --disable-shared --enable-ssl --quiet \
	     --prefix=/usr --sysconfdir=/etc --localstatedir=/var \
	     CC='$(CC)' CFLAGS='$(CFLAGS) $(SANITIZE_CFLAGS)' && \
	 printf '%s\n' 'include Makefile' \
	    'hnv-libs: $$(BUILT_SOURCES)' \
	    '	$$(MAKE) ovsdb/libovsdb.la lib/libopenvswitch.la' > hnv.mk && \
	 $(MAKE) -j"$$(nproc)" -f hnv.mk hnv-libs) > ovs-build.log 2>&1 \
	 || { tail -n 20 ovs-build.log >&2; \
	      echo "building Open vSwitch failed: see ovs-build.log" >&2; \
	      exit 1; }
	@touch $@
endif

ovs-config.h: $(OVS_STAMP)
	$(AM_V_GEN)$(SED) -e '/define PACKAGE/d' -e '/define VERSION/d' \
	    $(OVS_BUILD)/config.h > $@.tmp && mv $@.tmp $@

BUILT_SOURCES += ovs-config.h
CLEANFILES += ovs-config.h
# "make clean" keeps the built Open vSwitch, "make distclean" does not.
distclean-local:
	rm -rf ovs ovs.tmp ovs-build.log $(OVS_STAMP)
