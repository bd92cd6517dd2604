"""Tables of the models: the zoo with weights, the published ones without."""
