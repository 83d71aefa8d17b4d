# SPDX-License-Identifier: Apache-2.0

noinst_PROGRAMS += utilities/hnv-compile
utilities_hnv_compile_SOURCES = utilities/hnv-compile.c
utilities_hnv_compile_LDADD = $(HNV_LIBS)

EXTRA_DIST += \
	utilities/demo/demo.py \
	utilities/demo/lab.json \
	utilities/demo/policies.py \
	utilities/demo/wire.py \
	utilities/hnv-check \
	utilities/hnv-demo \
	utilities/hnv-lab \
	utilities/hnv-setup \
	utilities/hnvlab/__init__.py \
	utilities/hnvlab/capture.py \
	utilities/hnvlab/daemon.py \
	utilities/hnvlab/deliver.py \
	utilities/hnvlab/errors.py \
	utilities/hnvlab/guest.py \
	utilities/hnvlab/host.py \
	utilities/hnvlab/lab.py \
	utilities/hnvlab/netns.py \
	utilities/hnvlab/ovsdb.py \
	utilities/hnvlab/policy.py \
	utilities/hnvlab/show.py \
	utilities/hnvlab/spec.py \
	utilities/hnvlab/switch.py \
	utilities/hnvlab/underlay.py
