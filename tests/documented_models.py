"""Each row of the tables of models in docs/models-and-data.md and the tests of what it promises."""

# Tables by the first two cells of their heads; rows by the beginning of their first cells, at most 60 characters.
# fmt: off
MODELS: dict[str, dict[str, tuple[str, ...]]] = {
    "name | architecture": {
        "`fmnist-lenet` (default)": (
            "models/test_models.py::test_accuracy_on_the_embedded_images_is_as_claimed",
            "test_documented_doors.py::test_the_table_of_models_is_that_of_the_package",
        ),
        "`fmnist-resnet8`": (
            "models/test_models.py::test_accuracy_on_the_embedded_images_is_as_claimed",
            "test_documented_doors.py::test_the_table_of_models_is_that_of_the_package",
        ),
        "`mnist-lenet`": (
            "models/test_models.py::test_accuracy_on_the_full_test_set_is_as_claimed",
            "test_documented_doors.py::test_the_table_of_models_is_that_of_the_package",
        ),
        "`cifar10-resnet20`": (
            "models/test_models.py::test_accuracy_on_the_full_test_set_is_as_claimed",
            "test_documented_doors.py::test_the_table_of_models_is_that_of_the_package",
        ),
    },
    "rows and recipes | of": {
        "`mnist-lenet`, `mnist-resnet18`, `cifar10-vgg19`, `cifar10-r": (
            "test_documented_doors.py::test_rows_and_recipes_of_the_papers_exist",
            "models/test_models.py::test_every_published_row_has_as_many_parameters_as_its_network",
        ),
        "the same with `-flipped` (trained on flipped images: measure": (
            "test_documented_doors.py::test_rows_and_recipes_of_the_papers_exist",
            "models/test_models.py::test_every_published_row_has_as_many_parameters_as_its_network",
        ),
        "recipes `cifar10-` with `vgg19`, `resnet18` or `densenet121`": (
            "test_documented_doors.py::test_rows_and_recipes_of_the_papers_exist",
            "models/test_models.py::test_every_published_row_has_as_many_parameters_as_its_network",
        ),
        "the five with `-l2-adversarial`, and with `-flipped-l2-adver": (
            "test_documented_doors.py::test_rows_and_recipes_of_the_papers_exist",
            "models/test_models.py::test_every_published_row_has_as_many_parameters_as_its_network",
        ),
        "`t1-mlp`, `t1-logistic`, `t2-mlp` ([synthetic](synthetic.md)": (
            "test_documented_doors.py::test_rows_and_recipes_of_the_papers_exist",
            "models/test_models.py::test_every_published_row_has_as_many_parameters_as_its_network",
        ),
        "`cifar10-resnet18-pushpull-baseline`, `-avg3`, `-avg5`; `cif": (
            "test_documented_doors.py::test_rows_and_recipes_of_the_papers_exist",
            "models/test_models.py::test_every_published_row_has_as_many_parameters_as_its_network",
        ),
        "`cifar10-resnet20-old-pushpull`": (
            "test_documented_doors.py::test_rows_and_recipes_of_the_papers_exist",
            "models/test_models.py::test_every_published_row_has_as_many_parameters_as_its_network",
        ),
        "`cifar10-vgg16`, `cifar10-vgg16-hah`": (
            "test_documented_doors.py::test_rows_and_recipes_of_the_papers_exist",
            "models/test_models.py::test_every_published_row_has_as_many_parameters_as_its_network",
        ),
        "`cifar10-resnet18-`, `cifar100-resnet34-`, `mnist-` or `fmni": (
            "test_documented_doors.py::test_rows_and_recipes_of_the_papers_exist",
            "models/test_models.py::test_every_published_row_has_as_many_parameters_as_its_network",
        ),
        "`cifar10-wrn40-2`": (
            "test_documented_doors.py::test_rows_and_recipes_of_the_papers_exist",
            "models/test_models.py::test_every_published_row_has_as_many_parameters_as_its_network",
        ),
        "`cifar100-resnet18`; recipes `cifar10-resnet18-` and `cifar1": (
            "test_documented_doors.py::test_rows_and_recipes_of_the_papers_exist",
            "models/test_models.py::test_every_published_row_has_as_many_parameters_as_its_network",
        ),
        "recipes `cifar10-resnet18-gray`, `cifar10-resnet18-augmix-lo": (
            "test_documented_doors.py::test_rows_and_recipes_of_the_papers_exist",
            "models/test_models.py::test_every_published_row_has_as_many_parameters_as_its_network",
        ),
    },
    "function | what": {
        "`mlp(depth=10, width=500)`": (
            "models/architectures/test_families.py::test_the_parameters_are_as_many_as_published",
        ),
        "`lenet()`": ("models/test_models.py::test_every_published_row_has_as_many_parameters_as_its_network",),
        "`resnet18`, `resnet34`, `resnet50`": (
            "models/architectures/test_families.py::test_the_parameters_are_as_many_as_published",
        ),
        "the same with `**IMAGENET`": (
            "models/architectures/test_families.py::test_the_parameters_are_as_many_as_published",
        ),
        "`resnet20`, `resnet32`, `resnet44`, `resnet56` with `shortcu": (
            "models/architectures/test_families.py::test_the_parameters_are_as_many_as_published",
        ),
        "the same with `shortcut=\"conv\"`, the default": (
            "models/architectures/test_families.py::test_the_parameters_are_as_many_as_published",
        ),
        "`resnet(widths=, depths=, bottleneck=, shortcut=, stem_kerne": (
            "models/architectures/test_families.py::test_every_family_goes_forwards_and_backwards",
            "models/architectures/test_families.py::test_the_stem_settles_how_many_places_are_left",
        ),
        "`vgg(plan=VGG16)`, `vgg(plan=VGG19)`": (
            "models/architectures/test_families.py::test_the_parameters_are_as_many_as_published",
        ),
        "`vgg(plan=VGG16, hah=6)`": (
            "models/architectures/test_vgg.py::test_the_parameters_of_the_hah_vgg_16_are_as_many_as_released",
        ),
        "`densenet()`": (
            "models/architectures/test_families.py::test_the_parameters_are_as_many_as_published",
            "models/architectures/test_families.py::test_the_count_of_densenet_is_that_of_its_layers",
        ),
        "`wide_resnet(depth=40, widen=2, dropout=0.0)`": (
            "models/architectures/test_families.py::test_the_parameters_are_as_many_as_published",
            "models/architectures/test_families.py::test_the_count_of_a_wide_resnet_is_that_of_its_layers",
        ),
    },
    "name | what it opens": {
        "`fmnist-lenet` …": ("models/test_models.py::test_every_row_loads_ready_and_has_a_gradient_at_the_image",),
        "`timm:NAME`": (
            "zoo/test_zoo.py::test_commands_measure_networks_of_libraries",
            "zoo/test_zoo.py::test_timm_networks_get_what_the_transform_of_timm_gives",
            "models/test_schemes.py::test_a_missing_library_is_one_line_with_the_command_that_brings_it",
        ),
        "`timm:NAME.TAG`": (
            "zoo/test_zoo.py::test_weights_of_a_file_replace_the_pretrained_ones_and_nothing_is_downloaded",
            "zoo/test_zoo.py::test_offline_is_one_sentence_in_seconds",
        ),
        "`torchvision:NAME`": (
            "zoo/test_zoo.py::test_commands_measure_networks_of_libraries",
            "zoo/test_zoo.py::test_torchvision_networks_get_what_the_transforms_of_their_weights_give",
            "models/test_schemes.py::test_a_missing_library_is_one_line_with_the_command_that_brings_it",
        ),
        "`torchvision:NAME@WEIGHTS`": (
            "zoo/test_zoo.py::test_weights_of_a_file_replace_the_pretrained_ones_and_nothing_is_downloaded",
            "zoo/test_zoo.py::test_torchvision_weights_that_cannot_be_fetched_are_one_sentence",
        ),
        "`hf-hub:ORG/NAME[@REVISION]`": (
            "zoo/test_zoo.py::test_a_stored_network_of_timm_is_opened_offline_with_its_own_preprocessing",
            "zoo/test_zoo.py::test_what_the_hub_holds_besides_classifiers_is_refused",
        ),
        "`robustbench:DATASET/THREAT/NAME`": (
            "models/test_robustbench.py::test_checkpoints_give_the_logits_of_the_network_they_are_of",
            "models/test_robustbench.py::test_the_folder_and_the_file_may_be_named",
            "zoo/test_zoo.py::test_a_robust_network_of_imagenet_is_read_from_a_folder_in_robustbench_layout",
        ),
        "`onnx:FILE`": (
            "zoo/test_onnx.py::test_a_file_gives_the_logits_gradients_and_distances_of_the_network_it_was_exported_from",
            "zoo/test_onnx.py::test_a_file_whose_gradient_is_not_that_of_its_function_is_refused",
        ),
        "`package.module:factory`": (
            "models/test_schemes.py::test_functions_classes_and_modules_of_own_code_are_made_ready",
        ),
        "`path/to/file.py:factory`": (
            "models/test_schemes.py::test_files_may_have_any_name_and_import_their_neighbours",
        ),
        "a `torch.nn.Module` (Python only)": (
            "models/test_schemes.py::test_a_module_is_copied_and_keeps_its_mode_and_gradients",
        ),
    },
    "what the model returns | what happens": {
        "a float tensor (N, K), also (N, K, 1, 1)": (
            "test_output_kinds.py::test_outputs_of_every_kind_give_the_distances_of_plain_logits",
            "test_output_kinds.py::test_what_changes_no_number_is_not_noted",
        ),
        "an object, named tuple or mapping with `logits` (Hugging Fac": (
            "test_output_kinds.py::test_outputs_of_every_kind_give_the_distances_of_plain_logits",
        ),
        "another mapping with one tensor": (
            "test_output_kinds.py::test_outputs_of_every_kind_give_the_distances_of_plain_logits",
            "test_output_kinds.py::test_outputs_without_logits_are_one_sentence",
        ),
        "a tuple or list": (
            "test_output_kinds.py::test_outputs_of_every_kind_give_the_distances_of_plain_logits",
            "test_output_kinds.py::test_a_choice_among_several_tensors_is_noted_once",
        ),
        "-infinity for some classes": (
            "test_output_kinds.py::test_classes_that_are_ruled_out_are_noted_and_never_reached",
        ),
        "log-probabilities": (
            "test_output_kinds.py::test_outputs_of_every_kind_give_the_distances_of_plain_logits",
            "test_output_kinds.py::test_what_changes_no_number_is_not_noted",
        ),
        "probabilities: rows in [0, 1] that sum to 1 on the clean ima": (
            "test_output_kinds.py::test_probabilities_give_the_margins_of_the_logits",
            "test_output_kinds.py::test_margins_of_probabilities_are_those_of_the_logits_and_the_provenance_says_so",
            "test_output_kinds.py::test_saturated_probabilities_give_finite_logits_and_gradients",
        ),
        "probabilities of which all but one are 0": (
            "test_output_kinds.py::test_percentages_and_saturated_probabilities_are_noted",
        ),
        "rows that are never negative and sum to another number, as p": (
            "test_output_kinds.py::test_percentages_and_saturated_probabilities_are_noted",
        ),
        "values in [0, 1] that do not sum to 1": (
            "test_output_kinds.py::test_a_sigmoid_for_each_class_is_noted_and_read_when_it_is_said",
        ),
        "one column (N, 1) or a vector (N,)": ("test_output_kinds.py::test_one_output_becomes_two_classes",),
        "the same in [0, 1] on the clean images": ("test_output_kinds.py::test_one_output_becomes_two_classes",),
        "probabilities on the clean images, other values later": (
            "test_output_kinds.py::test_values_that_stop_being_probabilities_are_refused",
        ),
        "NaN or infinity for some images": (
            "test_output_kinds.py::test_images_with_nan_are_marked_and_no_success",
            "test_output_kinds.py::test_an_image_with_nan_has_no_class_and_is_not_right_by_accident",
        ),
        "NaN or infinity for all images": ("test_output_kinds.py::test_nan_for_every_image_is_refused",),
        "the same logits for every image": (
            "test_output_kinds.py::test_a_constant_model_is_noted",
            "test_output_kinds.py::test_no_search_of_a_constant_model_succeeds",
        ),
        "other logits when called again (dropout, a state that change": (
            "test_output_kinds.py::test_every_attack_asks_for_determinism_and_independence_of_the_batch",
            "test_output_kinds.py::test_a_state_that_changes_on_the_way_is_refused",
            "analysis/test_audit.py::test_each_wrong_model_is_named",
        ),
        "logits that depend on the other images of the call": (
            "test_output_kinds.py::test_every_attack_asks_for_determinism_and_independence_of_the_batch",
            "analysis/test_audit.py::test_each_wrong_model_is_named",
        ),
        "double, half or bfloat16 logits; logits on another device": (
            "test_output_kinds.py::test_images_and_weights_of_any_precision_fit",
            "test_output_kinds.py::test_outputs_of_every_kind_give_the_distances_of_plain_logits",
        ),
    },
    "what the model or the caller gives | what happens": {
        "weights in double, half or bfloat16, or on another device": (
            "test_output_kinds.py::test_images_and_weights_of_any_precision_fit",
            "test_output_kinds.py::test_a_function_of_double_weights_is_refused_in_one_sentence",
        ),
        "images in double": ("test_output_kinds.py::test_images_and_weights_of_any_precision_fit",),
        "images in half or bfloat16": ("test_output_kinds.py::test_images_and_weights_of_any_precision_fit",),
        "images in 8 bits": ("test_output_kinds.py::test_8_bit_images_are_scaled_and_said",),
        "numpy arrays, lists of arrays or tensors; labels as lists, a": (
            "test_output_kinds.py::test_arrays_and_lists_are_taken_as_tensors_are",
            "test_output_kinds.py::test_analyses_take_arrays_and_lists",
            "test_output_kinds.py::test_corruptions_take_arrays_and_lists",
        ),
        "images in 0 ... 255 as floats, normalised images, labels tha": (
            "test_output_kinds.py::test_the_advice_fits_the_images",
            "test_output_kinds.py::test_labels_that_are_no_whole_numbers_are_refused",
        ),
        "a model under autocast, inside its forward or around the cal": (
            "test_output_kinds.py::test_a_model_under_autocast_is_searched_in_the_precision_of_the_images",
        ),
        "a model that writes into its input": (
            "test_output_kinds.py::test_outputs_of_every_kind_give_the_distances_of_plain_logits",
        ),
        "a model that prints": ("test_output_kinds.py::test_what_a_model_prints_goes_to_stderr",),
        "a function without a backward; any exception of the model in": (
            "test_output_kinds.py::test_a_function_without_a_backward_is_one_sentence",
            "models/test_schemes.py::test_what_a_model_raises_is_one_sentence_of_a_command",
        ),
        "a model that takes one image at a time": (
            "test_output_kinds.py::test_a_model_that_takes_one_image_is_called_for_each",
        ),
    },
    "topic | entries": {
        "optimiser": (
            "training/test_fit.py::test_one_step_is_that_of_sgd_by_hand",
            "training/test_fit.py::test_adam_is_the_one_of_torch",
            "training/test_optimizer.py::test_what_decays",
            "training/test_optimizer.py::test_the_momentum_goes_down_while_the_rate_goes_up",
        ),
        "rate": (
            "training/test_schedule.py::test_the_triangle_rises_to_its_peak_and_falls_back_along_lines",
            "training/test_schedule.py::test_one_cycle_follows_half_cosines",
            "training/test_schedule.py::test_a_constant_stays",
            "training/test_schedule.py::test_a_line_falls_from_the_first_step_to_the_last",
            "training/test_schedule.py::test_step_schedule_falls_after_its_milestones",
            "training/test_schedule.py::test_two_cycles_of_phases",
        ),
        "images": (
            "augment/test_crop_and_flip.py::test_every_result_is_one_of_the_shifts_and_mirrors_of_its_own_image",
            "augment/test_crop_and_flip.py::test_half_of_many_are_mirrored",
            "augment/test_crop_and_flip.py::test_the_border_may_be_a_reflection",
        ),
        "speed": (
            "training/test_fit.py::test_a_training_survives_channels_last_on_a_cpu",
            "training/test_fit.py::test_channels_stay_last_where_that_is_safe",
        ),
        "weights": (
            "training/test_fit.py::test_the_epoch_is_chosen_on_held_out_images_that_are_never_trained_on",
            "training/test_fit.py::test_the_running_mean_of_the_weights_is_what_is_kept",
        ),
        "start": (
            "training/test_command.py::test_it_starts_from_given_weights_and_is_resumed_from_the_same_alone",
            "training/test_command.py::test_it_trains_the_network_of_a_factory_drawn_by_the_seed",
        ),
        "parts and classes": (
            "training/test_fit.py::test_frozen_modules_stay_as_they_were_and_are_free_again_afterwards",
            "training/test_fit.py::test_a_balanced_epoch_draws_each_class_equally_often",
        ),
        "versions": ("training/test_command.py::test_it_trains_on_the_union_of_versions",),
        "robust parts": (
            "training/losses/test_objective.py::test_the_parts_add_up",
            "training/losses/test_objective.py::test_the_hebbian_costs_of_all_blocks_are_taken_off",
            "training/test_recipe.py::test_tables_become_parts",
        ),
    },
    "what comes | what happens": {
        "a state dict, of safetensors or of `torch.save` (zip, or the": (
            "models/test_weights_of_others.py::test_the_content_decides_not_the_ending",
            "models/test_weights_of_others.py::test_files_of_older_versions_of_torch_are_read",
        ),
        "one below keys: `state_dict`, `model`, `model_state_dict`, `": (
            "models/test_weights_of_others.py::test_a_state_dict_below_any_key_is_found",
        ),
        "several that fit": (
            "models/test_weights_of_others.py::test_of_two_state_dicts_the_plain_one_is_taken_and_the_other_named",
        ),
        "names with a prefix: `module.`, `model.`, `net.`, `_orig_mod": (
            "models/test_weights_of_others.py::test_a_prefix_is_taken_off_and_said",
            "models/test_weights_of_others.py::test_what_stands_beside_the_network_is_left_out_and_said",
        ),
        "names without the prefix of the model (`model.` of a wrapper": (
            "models/test_weights_of_others.py::test_a_prefix_of_our_wrapper_is_added_and_said",
        ),
        "no `num_batches_tracked`; no mean and deviation of a `Normal": (
            "models/test_weights_of_others.py::test_num_batches_tracked_is_optional_as_in_torch",
            "models/test_weights_of_others.py::test_shared_weights_may_stand_once",
            "models/test_weights.py::test_weights_without_the_normalisation_keep_the_builders",
        ),
        "mean and deviation that differ from the model's, rounding to": (
            "models/test_weights_of_others.py::test_a_normalisation_that_the_model_does_not_take_is_said_with_its_numbers",
            "models/test_weights_of_others.py::test_a_normalisation_that_was_rounded_with_the_weights_is_the_models_own",
            "models/test_weights.py::test_weights_bring_their_own_normalisation",
        ),
        "counters of averages and of profilers (`n_averaged`, `total_": (
            "models/test_weights_of_others.py::test_counters_of_averages_and_profilers_are_left_out_and_said",
        ),
        "float16, bfloat16 or float64 weights of a float32 model": (
            "models/test_weights_of_others.py::test_other_precisions_are_cast_and_said",
            "models/test_weights_of_others.py::test_numbers_that_become_infinite_are_rejected",
        ),
        "shards: `model.safetensors.index.json`, `pytorch_model.bin.i": (
            "models/test_weights_of_others.py::test_shards_are_read_by_their_index_or_folder",
            "models/test_weights_of_others.py::test_a_single_file_in_a_folder_of_hugging_face_is_read",
        ),
        "missing or unknown names, other shapes, integers, complex, s": (
            "models/test_weights_of_others.py::test_tensors_of_other_kinds_are_rejected",
            "models/test_weights_of_others.py::test_a_state_dict_of_another_model_lists_the_keys_of_the_file",
            "models/test_weights_of_others.py::test_wrong_shapes_are_named_with_advice_on_the_classes",
            "models/test_weights.py::test_weights_of_another_model_are_refused_and_change_nothing",
        ),
        "more than tensors: `argparse.Namespace`, numpy scalars, a wh": (
            "models/test_weights_of_others.py::test_more_than_tensors_is_named_with_how_to_save_it",
        ),
        "the state of an optimizer, a list, one tensor": (
            "models/test_weights_of_others.py::test_content_without_tensors_by_name_is_named",
        ),
        "TorchScript, `torch.export`, ONNX, TensorFlow, Keras, Flax, ": (
            "models/test_weights_of_others.py::test_torchscript_and_exported_programs_say_how_to_save_them",
            "models/test_weights_of_others.py::test_files_of_other_kinds_are_recognised_by_their_first_bytes",
        ),
        "a web page, JSON or text, a Git-LFS pointer, zip, tar, gzip,": (
            "models/test_weights_of_others.py::test_files_of_other_kinds_are_recognised_by_their_first_bytes",
            "models/test_weights_of_others.py::test_truncated_files_are_never_read",
        ),
        "a claim of more memory than the file holds": (
            "models/test_weights_of_others.py::test_claims_of_more_memory_than_the_file_holds_are_rejected",
        ),
    },
}
