/* Q registers from C: the value is a vector, and byte 0 of it is the lowest of the register. */
#include <Hypervisor/Hypervisor.h>
#include <stdio.h>
#include <string.h>

#define RAM 0x40000000ull
#define PAGE 0x4000

static const uint32_t program[] = {
    0x9e660060, /* fmov x0, d3 */
    0x9eae0061, /* fmov x1, v3.d[1] */
    0x4e231c64, /* and v4.16b, v3.16b, v3.16b */
    0xd4000002, /* hvc #0 */
};

int main(void) {
    void *memory;
    hv_vcpu_t vcpu;
    hv_vcpu_exit_t *last;
    uint64_t low, high;
    uint8_t bytes[16];
    hv_simd_fp_uchar16_t q, back;
    hv_return_t code = HV_SUCCESS;

    for (int i = 0; i < 16; i++) {
        bytes[i] = (uint8_t)(0x10 + i);
    }
    memcpy(&q, bytes, sizeof q);
    code |= hv_vm_create(NULL);
    code |= hv_vm_allocate(&memory, PAGE, HV_ALLOCATE_DEFAULT);
    memcpy(memory, program, sizeof program);
    code |= hv_vm_map(memory, RAM, PAGE, HV_MEMORY_READ | HV_MEMORY_EXEC);
    code |= hv_vcpu_create(&vcpu, &last, NULL);
    code |= hv_vcpu_set_reg(vcpu, HV_REG_PC, RAM);
    code |= hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_CPACR_EL1, 3 << 20); /* FPEN */
    code |= hv_vcpu_set_simd_fp_reg(vcpu, HV_SIMD_FP_REG_Q3, q);
    code |= hv_vcpu_run(vcpu);
    code |= hv_vcpu_get_reg(vcpu, HV_REG_X0, &low);
    code |= hv_vcpu_get_reg(vcpu, HV_REG_X1, &high);
    code |= hv_vcpu_get_simd_fp_reg(vcpu, HV_SIMD_FP_REG_Q4, &back);
    printf("code %d, syndrome %#llx\n", code, (unsigned long long)last->exception.syndrome);
    printf("low %#llx high %#llx\n", (unsigned long long)low, (unsigned long long)high);
    printf("back %s\n", memcmp(&back, bytes, sizeof back) == 0 ? "same" : "different");
    printf("Q32 %#x\n", (unsigned)hv_vcpu_set_simd_fp_reg(vcpu, 32, q));
    return 0;
}
