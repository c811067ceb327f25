/* A vCPU's registers, its exits, its interrupts. */
#pragma once

#include <Hypervisor/hv_base.h>
#include <Hypervisor/hv_vm_types.h>
#include <arm64/hv/hv_kern_types.h>
#include <os/object.h>

/* A configuration for hv_vcpu_create. */
typedef struct hv_vcpu_config_s *hv_vcpu_config_t;

/* A vCPU's number in its VM. */
typedef uint64_t hv_vcpu_t;

/* Why hv_vcpu_run returned. */
HV_ENUM(hv_exit_reason, uint32_t,
    HV_EXIT_REASON_CANCELED,         /* hv_vcpus_exit asked for it */
    HV_EXIT_REASON_EXCEPTION,        /* the guest did what the caller must handle */
    HV_EXIT_REASON_VTIMER_ACTIVATED, /* the virtual timer fired; its mask is set */
    HV_EXIT_REASON_UNKNOWN);         /* the run failed */

typedef uint64_t hv_exception_syndrome_t; /* ESR_EL2 */
typedef uint64_t hv_exception_address_t;  /* FAR_EL2 */

typedef struct {
    hv_exception_syndrome_t syndrome;
    hv_exception_address_t virtual_address;
    hv_ipa_t physical_address;
} hv_vcpu_exit_exception_t;

/* The exit record. */
typedef struct {
    hv_exit_reason_t reason;
    hv_vcpu_exit_exception_t exception;
} hv_vcpu_exit_t;

/* X0 to X30, PC, FPCR, FPSR, CPSR: 0 to 34. 31 is PC, not XZR. */
#define HV_REG_X(n) HV_REG_X##n,

HV_ENUM(hv_reg, uint32_t,
    HV_DIGITS(HV_REG_X) HV_TEN(HV_REG_X, 1) HV_TEN(HV_REG_X, 2) HV_REG_X(30)
    HV_REG_PC,
    HV_REG_FPCR,
    HV_REG_FPSR,
    HV_REG_CPSR,
    HV_REG_FP = HV_REG_X29,
    HV_REG_LR = HV_REG_X30);

#undef HV_REG_X

/* The 16 bytes of a Q register, byte 0 the lowest. */
#ifdef __clang__
typedef __attribute__((ext_vector_type(16))) uint8_t hv_simd_fp_uchar16_t;
#else
typedef uint8_t hv_simd_fp_uchar16_t __attribute__((vector_size(16)));
#endif

#define HV_SIMD_FP_REG(n) HV_SIMD_FP_REG_Q##n = n,

HV_ENUM(hv_simd_fp_reg, uint32_t,
    HV_32(HV_SIMD_FP_REG));

#undef HV_SIMD_FP_REG

/* SME's part of PSTATE: SM and ZA. */
typedef struct {
    bool streaming_sve_mode_enabled;
    bool za_storage_enabled;
} hv_vcpu_sme_state_t;

#define HV_SME_Z_REG(n) HV_SME_Z_REG_##n = n,
#define HV_SME_P_REG(n) HV_SME_P_REG_##n = n,

HV_ENUM(hv_sme_z_reg, uint32_t,
    HV_32(HV_SME_Z_REG));
HV_ENUM(hv_sme_p_reg, uint32_t,
    HV_16(HV_SME_P_REG));

#undef HV_SME_Z_REG
#undef HV_SME_P_REG

/* ZT0. */
#ifdef __clang__
typedef __attribute__((ext_vector_type(64))) uint8_t hv_sme_zt0_uchar64_t;
#else
typedef uint8_t hv_sme_zt0_uchar64_t __attribute__((vector_size(64)));
#endif

/*
 * A system register by op0, op1, CRn, CRm and op2, as MRS names it:
 *
 *      15 14 13 11 10   7 6    3 2   0
 *     | op0 | op1 | CRn  | CRm  | op2 |
 *
 * CNTP_* exist only with a GIC, those of EL2 only with EL2.
 */
#define HV_SYS_REG_DBG(n)                                                                 \
    HV_SYS_REG_DBGBVR##n##_EL1 = 0x8004 + 8 * n, HV_SYS_REG_DBGBCR##n##_EL1 = 0x8005 + 8 * n, \
    HV_SYS_REG_DBGWVR##n##_EL1 = 0x8006 + 8 * n, HV_SYS_REG_DBGWCR##n##_EL1 = 0x8007 + 8 * n,

HV_ENUM(hv_sys_reg, uint16_t,
    HV_16(HV_SYS_REG_DBG)
    HV_SYS_REG_MDCCINT_EL1 = 0x8010,
    HV_SYS_REG_MDSCR_EL1 = 0x8012,
    HV_SYS_REG_MIDR_EL1 = 0xc000,
    HV_SYS_REG_MPIDR_EL1 = 0xc005,
    HV_SYS_REG_ID_AA64PFR0_EL1 = 0xc020,
    HV_SYS_REG_ID_AA64PFR1_EL1 = 0xc021,
    HV_SYS_REG_ID_AA64ZFR0_EL1 = 0xc024,
    HV_SYS_REG_ID_AA64SMFR0_EL1 = 0xc025,
    HV_SYS_REG_ID_AA64DFR0_EL1 = 0xc028,
    HV_SYS_REG_ID_AA64DFR1_EL1 = 0xc029,
    HV_SYS_REG_ID_AA64ISAR0_EL1 = 0xc030,
    HV_SYS_REG_ID_AA64ISAR1_EL1 = 0xc031,
    HV_SYS_REG_ID_AA64MMFR0_EL1 = 0xc038,
    HV_SYS_REG_ID_AA64MMFR1_EL1 = 0xc039,
    HV_SYS_REG_ID_AA64MMFR2_EL1 = 0xc03a,
    HV_SYS_REG_SCTLR_EL1 = 0xc080,
    HV_SYS_REG_ACTLR_EL1 = 0xc081,
    HV_SYS_REG_CPACR_EL1 = 0xc082,
    HV_SYS_REG_SMPRI_EL1 = 0xc094,
    HV_SYS_REG_SMCR_EL1 = 0xc096,
    HV_SYS_REG_TTBR0_EL1 = 0xc100,
    HV_SYS_REG_TTBR1_EL1 = 0xc101,
    HV_SYS_REG_TCR_EL1 = 0xc102,
    HV_SYS_REG_APIAKEYLO_EL1 = 0xc108,
    HV_SYS_REG_APIAKEYHI_EL1 = 0xc109,
    HV_SYS_REG_APIBKEYLO_EL1 = 0xc10a,
    HV_SYS_REG_APIBKEYHI_EL1 = 0xc10b,
    HV_SYS_REG_APDAKEYLO_EL1 = 0xc110,
    HV_SYS_REG_APDAKEYHI_EL1 = 0xc111,
    HV_SYS_REG_APDBKEYLO_EL1 = 0xc112,
    HV_SYS_REG_APDBKEYHI_EL1 = 0xc113,
    HV_SYS_REG_APGAKEYLO_EL1 = 0xc118,
    HV_SYS_REG_APGAKEYHI_EL1 = 0xc119,
    HV_SYS_REG_SPSR_EL1 = 0xc200,
    HV_SYS_REG_ELR_EL1 = 0xc201,
    HV_SYS_REG_SP_EL0 = 0xc208,
    HV_SYS_REG_AFSR0_EL1 = 0xc288,
    HV_SYS_REG_AFSR1_EL1 = 0xc289,
    HV_SYS_REG_ESR_EL1 = 0xc290,
    HV_SYS_REG_FAR_EL1 = 0xc300,
    HV_SYS_REG_PAR_EL1 = 0xc3a0,
    HV_SYS_REG_MAIR_EL1 = 0xc510,
    HV_SYS_REG_AMAIR_EL1 = 0xc518,
    HV_SYS_REG_VBAR_EL1 = 0xc600,
    HV_SYS_REG_CONTEXTIDR_EL1 = 0xc681,
    HV_SYS_REG_TPIDR_EL1 = 0xc684,
    HV_SYS_REG_SCXTNUM_EL1 = 0xc687,
    HV_SYS_REG_CNTKCTL_EL1 = 0xc708,
    HV_SYS_REG_CSSELR_EL1 = 0xd000,
    HV_SYS_REG_TPIDR_EL0 = 0xde82,
    HV_SYS_REG_TPIDRRO_EL0 = 0xde83,
    HV_SYS_REG_TPIDR2_EL0 = 0xde85,
    HV_SYS_REG_SCXTNUM_EL0 = 0xde87,
    HV_SYS_REG_CNTP_TVAL_EL0 = 0xdf10,
    HV_SYS_REG_CNTP_CTL_EL0 = 0xdf11,
    HV_SYS_REG_CNTP_CVAL_EL0 = 0xdf12,
    HV_SYS_REG_CNTV_CTL_EL0 = 0xdf19,
    HV_SYS_REG_CNTV_CVAL_EL0 = 0xdf1a,
    HV_SYS_REG_VPIDR_EL2 = 0xe000,
    HV_SYS_REG_VMPIDR_EL2 = 0xe005,
    HV_SYS_REG_SCTLR_EL2 = 0xe080,
    HV_SYS_REG_HCR_EL2 = 0xe088,
    HV_SYS_REG_MDCR_EL2 = 0xe089,
    HV_SYS_REG_CPTR_EL2 = 0xe08a,
    HV_SYS_REG_TTBR0_EL2 = 0xe100,
    HV_SYS_REG_TTBR1_EL2 = 0xe101,
    HV_SYS_REG_TCR_EL2 = 0xe102,
    HV_SYS_REG_VTTBR_EL2 = 0xe108,
    HV_SYS_REG_VTCR_EL2 = 0xe10a,
    HV_SYS_REG_SPSR_EL2 = 0xe200,
    HV_SYS_REG_ELR_EL2 = 0xe201,
    HV_SYS_REG_SP_EL1 = 0xe208,
    HV_SYS_REG_ESR_EL2 = 0xe290,
    HV_SYS_REG_FAR_EL2 = 0xe300,
    HV_SYS_REG_HPFAR_EL2 = 0xe304,
    HV_SYS_REG_MAIR_EL2 = 0xe510,
    HV_SYS_REG_VBAR_EL2 = 0xe600,
    HV_SYS_REG_TPIDR_EL2 = 0xe682,
    HV_SYS_REG_CNTVOFF_EL2 = 0xe703,
    HV_SYS_REG_CNTHCTL_EL2 = 0xe708,
    HV_SYS_REG_CNTHP_TVAL_EL2 = 0xe710,
    HV_SYS_REG_CNTHP_CTL_EL2 = 0xe711,
    HV_SYS_REG_CNTHP_CVAL_EL2 = 0xe712,
    HV_SYS_REG_SP_EL2 = 0xf208);

#undef HV_SYS_REG_DBG

/* A line of hv_vcpu_set_pending_interrupt. */
HV_ENUM(hv_interrupt_type, uint32_t,
    HV_INTERRUPT_TYPE_IRQ,
    HV_INTERRUPT_TYPE_FIQ);

/* A cache of hv_vcpu_config_get_ccsidr_el1_sys_reg_values. */
HV_ENUM(hv_cache_type, uint32_t,
    HV_CACHE_TYPE_DATA, /* or unified */
    HV_CACHE_TYPE_INSTRUCTION);
