"""The experiments that serve rows: what they cost on one core, and what they read."""

from experiments.registry.entry import Run

RUNS = {
    "equations": Run("equations", {"smoke": 1.0, "cpu": 1.0, "paper": 1.0}),
    "zoo_corruptions": Run("zoo_corruptions", {"smoke": 1.0, "cpu": 25, "paper": 120}, ("fashion-mnist",)),
    "retrieval": Run("retrieval", {"smoke": 0.3, "cpu": 4, "paper": 3000}, ("fashion-mnist", "cifar10")),
    "zoo_table": Run("zoo_table", {"smoke": 1.0, "cpu": 30, "paper": 1500}, ("fashion-mnist",)),
    "zoo_audit": Run("zoo_audit", {"smoke": 1.3, "cpu": 13, "paper": 180}),
    "zoo_margins": Run("zoo_margins", {"smoke": 1.7, "cpu": 15, "paper": 700}),
    "hah_blocks": Run("hah_blocks", {"smoke": 1.0, "cpu": 6, "paper": 5000}, ("fashion-mnist",)),
    "weight_norm": Run("weight_norm", {"smoke": 0.1, "cpu": 8, "paper": 15_000}, ("fashion-mnist", "cifar10")),
    "synthetic_margins": Run("synthetic_margins", {"smoke": 0.5, "cpu": 6, "paper": 30}),
    "synthetic_transition": Run("synthetic_transition", {"smoke": 1.0, "cpu": 12, "paper": 120}),
    "colour_networks": Run("colour_networks", {"smoke": 0.2, "cpu": 28, "paper": 60_000}, ("cifar10",)),
    "synthetic_seeds": Run("synthetic_seeds", {"smoke": 0.1, "cpu": 20, "paper": 150}),
    "fine_tuning": Run("fine_tuning", {"smoke": 0.2, "cpu": 3, "paper": 120}, ("fashion-mnist", "cifar10")),
    "sparsefool_table": Run("sparsefool_table", {"smoke": 0.5, "cpu": 5, "paper": 120}, ("mnist", "cifar10")),
    "sparsefool_sweeps": Run("sparsefool_sweeps", {"smoke": 0.5, "cpu": 6, "paper": 60}, ("mnist", "cifar10")),
    "sparsefool_benchmarks": Run("sparsefool_benchmarks", {"smoke": 0.5, "cpu": 7}),
    "sparsefool_transfer": Run("sparsefool_transfer", {"smoke": 0.3, "cpu": 3, "paper": 10}),
    "push_pull_kernels": Run("push_pull_kernels", {"smoke": 0.1, "cpu": 0.1, "paper": 0.1}),
    "corruption_pictures": Run("corruption_pictures", {"smoke": 0.1, "cpu": 0.3, "paper": 1}),
    "hah_noise": Run("hah_noise", {"smoke": 0.2, "cpu": 4, "paper": 60}),
    "robust_networks": Run("robust_networks", {"smoke": 1.4, "cpu": 5, "paper": 3000}),
    "margin_shapes": Run("margin_shapes", {"smoke": 0.4, "cpu": 12, "paper": 6000}, ("mnist", "cifar10")),
    "other_versions": Run("other_versions", {"smoke": 0.2, "cpu": 3, "paper": 30}, ("mnist", "cifar10")),
    "adversarial_energy": Run("adversarial_energy", {"smoke": 0.2, "cpu": 5, "paper": 200}, ("mnist",)),
    "image_pictures": Run("image_pictures", {"smoke": 0.3, "cpu": 1, "paper": 3}),
    "augmentation_reach": Run("augmentation_reach", {"smoke": 0.3, "cpu": 3, "paper": 60}),
    "similarity_sweeps": Run(
        "similarity_sweeps", {"smoke": 0.2, "cpu": 35, "paper": 60_000}, ("mnist", "fashion-mnist", "cifar10")
    ),
    "stem_sweeps": Run("stem_sweeps", {"smoke": 0.2, "cpu": 35, "paper": 1500}, ("fashion-mnist",)),
    "prime_pictures": Run("prime_pictures", {"smoke": 0.1, "cpu": 2}, ("cifar10",)),
    "prime_sweeps": Run("prime_sweeps", {"smoke": 0.2, "cpu": 20, "paper": 1500}, ("fashion-mnist",)),
    "forgetting": Run("forgetting", {"smoke": 0.2, "cpu": 8, "paper": 20_000}, ("fashion-mnist",)),
    "transfer_strategies": Run(
        "transfer_strategies", {"smoke": 0.2, "cpu": 20, "paper": 20_000}, ("mnist", "fashion-mnist")
    ),
    "sparsefool_locations": Run("sparsefool_locations", {"smoke": 0.3, "cpu": 2, "paper": 2}),
}
