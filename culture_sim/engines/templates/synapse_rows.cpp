{# Apply code to all synapses of the neurons that spiked (or, without an eventspace, of all neurons).

   This is Brian2's `synapses` template for delay-free pathways whose synapses are sorted by presynaptic neuron and
   then by target. A neuron's synapses are then one contiguous range: no spike queue, no list of spiking synapses.
   With `only_if` the code runs only if the learning factor of the presentation meets this condition.
   Where targets are consecutive, as they are in a dense culture, the range falls into long runs in which the target
   index is known as well: memory is streamed and the compiler vectorises. #}
{# USES_VARIABLES { N, _synaptic_pre, _synaptic_post } #}
{% extends 'common_group.cpp' %}

{% block maincode %}
    {% set _pre = get_array_name(variables['_synaptic_pre']) %}
    {% set _post = get_array_name(variables['_synaptic_post']) %}
    // found once: the connectivity does not change while the program runs
    struct _Run { size_t first; int32_t target; int32_t length; };
    static std::vector<size_t> _row, _run_of_row;
    static std::vector<_Run> _runs;
    static bool _long_runs = false;
    {% if only_if %}
    const bool _active = {{get_array_name(learning_variable)}}[0] {{only_if}};
    {% else %}
    const bool _active = true;
    {% endif %}
    if (_active && _row.empty())
    {
        const size_t _n = {{N}};
        _row.assign({{n_sources}} + 1, 0);
        _run_of_row.assign({{n_sources}} + 1, 0);
        for (size_t _idx=0; _idx<_n; _idx++)
        {
            const bool _new_row = _idx == 0 || {{_pre}}[_idx] != {{_pre}}[_idx-1];
            if (_new_row || {{_post}}[_idx] != {{_post}}[_idx-1] + 1)
            {
                _runs.push_back({_idx, {{_post}}[_idx], 0});
                _run_of_row[{{_pre}}[_idx] + 1]++;
            }
            _runs.back().length++;
            _row[{{_pre}}[_idx] + 1]++;
        }
        for (size_t _i=0; _i<{{n_sources}}; _i++)
        {
            _row[_i + 1] += _row[_i];
            _run_of_row[_i + 1] += _run_of_row[_i];
        }
        _long_runs = _n > 4 * _runs.size();
        if (!_long_runs)
        {
            _runs.clear();
            _runs.shrink_to_fit();
        }
    }
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    {% if eventspace_variable is defined %}
    {% set _eventspace = get_array_name(eventspace_variable) %}
    const int32_t _n_rows = _active ? {{_eventspace}}[{{n_sources}}] : 0;
    {% else %}
    const int32_t _n_rows = {{n_sources}};
    {% endif %}
    for (int32_t _k=0; _k<_n_rows; _k++)
    {
        const int32_t _source = {% if eventspace_variable is defined %}{{_eventspace}}[_k]{% else %}_k{% endif %};
        if (_long_runs)
        {
            for (size_t _r=_run_of_row[_source]; _r<_run_of_row[_source + 1]; _r++)
            {
                const _Run _run = _runs[_r];
                #pragma GCC ivdep
                for (int32_t _m=0; _m<_run.length; _m++)
                {
                    const size_t _idx = _run.first + _m;
                    const size_t _vectorisation_idx = _idx;
                    {% for line in vector_code %}
                    {{line|replace(_pre + '[_idx]', '_source')|replace(_post + '[_idx]', '_run.target + _m')}}
                    {% endfor %}
                }
            }
        }
        else
        {
            for (size_t _idx=_row[_source]; _idx<_row[_source + 1]; _idx++)
            {
                const size_t _vectorisation_idx = _idx;
                {% for line in vector_code %}
                {{line|replace(_pre + '[_idx]', '_source')}}
                {% endfor %}
            }
        }
    }
{% endblock %}
