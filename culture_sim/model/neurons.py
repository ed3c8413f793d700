"""Leaky integrate-and-fire neurons, as Brian2 equations.

One step is: leak, input (unless refractory), refractory countdown, lower bound, threshold, reset. The input
``I`` was gathered by the synapses in the step before; a neuron's spike therefore acts one step later.
Inhibition passes through a relay that repeats the spike one step later still.
"""

MODEL = """
v : volt
I : volt                             # input gathered for the next step
refractory_steps_left : 1
fired : 1                            # spiked in this step
relayed : 1                          # spiked in the step before
v_rest : volt (shared, constant)
v_threshold : volt (shared, constant)
v_reset : volt (shared, constant)
v_lower_bound : volt (shared, constant)
leak : 1 (shared, constant)          # exp(-dt / membrane decay)
refractory_steps : 1 (shared, constant)
"""

STEP = """
relayed = fired
fired = 0
v = leak * (v - v_rest) + v_rest
v += I * int(refractory_steps_left <= 0)
I = 0 * volt
refractory_steps_left = clip(refractory_steps_left - 1, 0, inf)
v = clip(v, v_lower_bound, inf * volt)
"""

THRESHOLD = "v >= v_threshold"
RELAY = "relayed > 0"

SPIKE = """
v = v_reset
refractory_steps_left = refractory_steps
fired = 1
"""

RESET_STATE = """
v = v_rest
I = 0 * volt
refractory_steps_left = 0
fired = 0
relayed = 0
"""
