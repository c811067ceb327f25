/* Calls that are refused, one of each kind of mistake. */
#include <Hypervisor/Hypervisor.h>
#include <stdio.h>

int main(void) {
    static uint8_t memory[3 * 0x4000];
    void *page = (void *)(((uintptr_t)memory + 0x3fff) & ~(uintptr_t)0x3fff);
    hv_vcpu_t vcpu;
    hv_vcpu_exit_t *last;
    size_t bytes;

    hv_vm_map(page, 0x40000000, 0x4000, HV_MEMORY_READ);
    if (hv_vm_create(NULL) != HV_SUCCESS) {
        return 1;
    }
    hv_vm_create(NULL);
    hv_vm_map(page, 0x40001000, 0x4000, HV_MEMORY_READ);
    hv_vm_map(page, 0x40000000, 0x4000, 0x10);
    hv_vm_unmap(0x40000000, 0x4000);
    hv_vcpu_run(7);
    hv_vcpu_create(&vcpu, &last, NULL);
    hv_vcpu_set_reg(vcpu, 35, 0);
    hv_vcpu_get_reg(vcpu, HV_REG_X0, NULL);
    hv_sme_config_get_max_svl_bytes(&bytes);
    hv_vm_destroy();
    puts("done");
    return 0;
}
