{# Apply code to all synapses of the neurons that spiked.

   A block takes the next spike, its threads walk along that neuron's synapses, which lie side by side. The number of
   spikes is read on the device: unlike Brian2CUDA's `synapses` template this one does not wait for the host, and needs
   no queue. Several neurons reach the same target at once, so the input is added atomically, in no fixed order.
   With `only_if` the kernel is called only if the presentation's learning factor meets this condition. #}
{# USES_VARIABLES { N, _synaptic_pre, _synaptic_post, row_start } #}
{% extends 'common_group.cu' %}

{% block kernel %}
{% set _eventspace = get_array_name(eventspace_variable) %}
__global__ void
_run_kernel_{{codeobj_name}}(
    int _N,
    int THREADS_PER_BLOCK,
    ///// KERNEL_PARAMETERS /////
    %KERNEL_PARAMETERS%
    )
{
    using namespace brian;

    ///// KERNEL_CONSTANTS /////
    %KERNEL_CONSTANTS%

    ///// kernel_lines /////
    {{kernel_lines|autoindent}}

    const int _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    const int32_t _n_rows = {{_eventspace}}[{{n_sources}}];
    for (int32_t _k = blockIdx.x; _k < _n_rows; _k += gridDim.x)
    {
        const int32_t _source = {{_eventspace}}[_k];
        const int32_t _end = {{get_array_name(variables['row_start'])}}[_source + 1];
        for (int32_t _idx = {{get_array_name(variables['row_start'])}}[_source] + threadIdx.x; _idx < _end; _idx += blockDim.x)
        {
            const int _vectorisation_idx = _idx;
            {{vector_code|autoindent}}
        }
    }
}
{% endblock kernel %}

{% block prepare_kernel_inner %}
int _n_multiprocessors = 1;
CUDA_SAFE_CALL(
        cudaDeviceGetAttribute(&_n_multiprocessors, cudaDevAttrMultiProcessorCount, 0)
        );
num_threads = 128;
num_blocks = 16 * _n_multiprocessors;
{% endblock prepare_kernel_inner %}

{% block kernel_call %}
{% if only_if %}
if (culture_device::learning == {{only_if}})
{% endif %}
if (_N > 0)
{
    {{ super() }}
}
{% endblock kernel_call %}
