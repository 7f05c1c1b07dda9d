/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes ACPI Machine Language [acpi-6.4 20] into a strbuf, object by object; just what acpi.c needs. What opens a scope returns
 * where it began, and aml_end() writes its length there. Names are segments of four characters, with \ or ^ and dots
 * as in ASL. Nothing fails: a full memory shows in strbuf.failed.
 */
#ifndef X86_AML_H
#define X86_AML_H

#include "util/str.h"
#include "util/types.h"

struct aml_mark {
	size_t at;	/* where the PkgLength goes */
};

/* --- scopes, each closed by aml_end() --- */
struct aml_mark aml_scope(struct strbuf *b, const char *name);
struct aml_mark aml_device(struct strbuf *b, const char *name);
struct aml_mark aml_method(struct strbuf *b, const char *name, unsigned int args, bool serialized);
/* Name (@name, Package () {...}); aml_package() alone is an element of another one. */
struct aml_mark aml_package(struct strbuf *b, unsigned int elements);
struct aml_mark aml_if(struct strbuf *b);	/* the condition follows */
struct aml_mark aml_else(struct strbuf *b);	/* right after the end of the If */
void aml_end(struct strbuf *b, struct aml_mark m);

/* --- objects and data --- */
void aml_name(struct strbuf *b, const char *name);	/* Name (@name, what follows) */
void aml_namestring(struct strbuf *b, const char *name);	/* a reference */
void aml_int(struct strbuf *b, u64 v);
void aml_string(struct strbuf *b, const char *s);
void aml_eisa_id(struct strbuf *b, const char *id);	/* "PNP0A08" */
/* "33db4d5b-1ff7-401c-9657-7441c03dd766" as a Buffer in the byte order of ToUUID */
void aml_uuid(struct strbuf *b, const char *uuid);
enum aml_space { AML_SYSTEM_MEMORY, AML_SYSTEM_IO };
void aml_region(struct strbuf *b, const char *name, enum aml_space space, u64 base, u64 len);
/* Field (@region, DWordAcc, NoLock, WriteAsZeros) { @name, 32 } */
void aml_dword_field(struct strbuf *b, const char *region, const char *name);

/* --- operators: the opcode; operands follow --- */
enum aml_op {
	AML_STORE = 0x70,	/* source, target */
	AML_AND = 0x7b,		/* a, b, target */
	AML_OR = 0x7d,		/* a, b, target */
	AML_NOTIFY = 0x86,	/* object, value */
	AML_CREATE_DWORD_FIELD = 0x8a,	/* buffer, byte index, name */
	AML_LNOT = 0x92,
	AML_LEQUAL = 0x93,
	AML_RETURN = 0xa4,
};
void aml_op(struct strbuf *b, enum aml_op op);
void aml_local(struct strbuf *b, unsigned int n);
void aml_arg(struct strbuf *b, unsigned int n);
void aml_no_target(struct strbuf *b);

/* --- resource templates [acpi-6.4 6.4] --- */
struct aml_resources {
	struct aml_mark buffer;
	struct strbuf body;
};
/* Name (_CRS, ResourceTemplate () {...}) */
void aml_crs_begin(struct strbuf *b, struct aml_resources *r);
void aml_crs_end(struct strbuf *b, struct aml_resources *r);
void aml_res_io(struct aml_resources *r, u16 base, u8 len);
void aml_res_memory32(struct aml_resources *r, u32 base, u32 len);
void aml_res_irq(struct aml_resources *r, u32 gsi, bool level, bool shared);
void aml_res_bus(struct aml_resources *r, u16 min, u16 max);
/* Windows a bridge passes on. */
void aml_res_window_io(struct aml_resources *r, u16 min, u16 max);
void aml_res_window_mem32(struct aml_resources *r, u32 min, u32 max);
void aml_res_window_mem64(struct aml_resources *r, u64 min, u64 max);

#endif
