# SPDX-License-Identifier: Apache-2.0

# The databases' schemas: installed for people and tools, and compiled into the
# agent as C strings.
HNV_SCHEMAS = \
	schema/ms_darv.ovsschema \
	schema/ms_firewall.ovsschema \
	schema/ms_service_insertion.ovsschema \
	schema/ms_vtep.ovsschema
HNV_SCHEMA_DOCS = \
	schema/ms_darv.xml \
	schema/ms_firewall.xml \
	schema/ms_service_insertion.xml \
	schema/ms_vtep.xml
HNV_SCHEMA_INCS = $(HNV_SCHEMAS:=.inc)
dist_pkgdata_DATA = $(HNV_SCHEMAS)
EXTRA_DIST += $(HNV_SCHEMA_DOCS)

HNV_TEXT2C = $(AM_V_GEN)$(MKDIR_P) $(@D) && \
	$(SED) -e 's/[\\"]/\\&/g' -e 's/^/"/' -e 's/$$/\\n"/'

.ovsschema.ovsschema.inc:
	$(HNV_TEXT2C) $< > $@.tmp && mv $@.tmp $@

# The one of the server's own database comes from Open vSwitch.
schema/_server.ovsschema.inc: $(OVS_STAMP)
	$(HNV_TEXT2C) $(OVS_BUILD)/ovsdb/_server.ovsschema > $@.tmp \
	&& mv $@.tmp $@

SUFFIXES = .ovsschema .ovsschema.inc
BUILT_SOURCES += $(HNV_SCHEMA_INCS) schema/_server.ovsschema.inc
CLEANFILES += $(HNV_SCHEMA_INCS) schema/_server.ovsschema.inc
