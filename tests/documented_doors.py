"""Each row of the tables in docs/models-and-data.md and the tests of what it promises."""

# Tables by the first two cells of their heads; rows by the beginning of their first cells, at most 60 characters.
# fmt: off
DOORS: dict[str, dict[str, tuple[str, ...]]] = {
    "name | required contents of `DATA` (the layout of torchvision)": {
        "`fashion-mnist-1k`": (
            "data/test_data.py::test_the_embedded_set_is_balanced_small_and_in_range",
            "test_documented_doors.py::test_the_table_of_data_sets_is_that_of_the_package",
        ),
        "`fashion-mnist`": ("data/test_idx.py::test_both_splits_of_both_sets_are_read",),
        "`mnist`": (
            "data/test_idx.py::test_both_splits_of_both_sets_are_read",
            "data/test_idx.py::test_files_written_by_hand_are_read_plain_and_gzipped",
        ),
        "`cifar10`": (
            "data/test_cifar.py::test_batches_of_any_protocol_are_read_in_order",
            "data/test_cifar.py::test_no_other_function_can_be_named",
        ),
        "`cifar100`": ("data/test_cifar.py::test_fine_labels_of_cifar100",),
        "`t1`, `t2`": (
            "data/test_synthetic.py::test_the_table_has_both_with_the_sizes_of_the_thesis",
            "test_documented_doors.py::test_the_table_of_data_sets_is_that_of_the_package",
        ),
    },
    "in the folder | what happens": {
        "`class/image.png`": ("data/test_folder.py::test_sub_folders_are_classes_in_alphabetical_order",),
        "`test/class/image.png` (also `val`, `validation`, `valid`; f": (
            "data/test_folder_layout.py::test_every_name_of_a_split_is_read",
            "data/test_folder_layout.py::test_a_split_has_the_classes_of_all_splits",
        ),
        "a folder without a readable image: empty, `annotations`, `lo": (
            "data/test_folder_layout.py::test_folders_without_a_readable_image_are_no_classes_and_are_named",
        ),
        "`__MACOSX`, `@eaDir`, `$RECYCLE.BIN`, `lost+found`, whatever": (
            "data/test_folder_layout.py::test_folders_without_a_readable_image_are_no_classes_and_are_named",
        ),
        "hidden files and folders, at every level": (
            "data/test_folder_layout.py::test_hidden_files_and_folders_are_ignored_at_every_level",
        ),
        "files that are no images; images in no folder of a class; im": (
            "data/test_folder_layout.py::test_ignored_files_are_counted_by_ending",
        ),
        "`val/images/`, `images/` and `masks/`, `train/image.png`, `i": (
            "data/test_folder_layout.py::test_layouts_that_are_no_classes_are_refused_by_what_they_look_like",
        ),
        "names that are all whole numbers (`0`, `10`, `007`, `-1`)": (
            "data/test_folder_layout.py::test_the_order_of_the_classes",
            "data/test_folder_layout.py::test_two_names_of_one_number_are_refused",
        ),
        "other names": ("data/test_folder_layout.py::test_the_order_of_the_classes",),
        "`classes.txt` in the folder, or `--classes FILE` (`classes=`": (
            "data/test_folder_layout.py::test_an_order_is_that_of_a_file_in_the_folder_or_of_the_caller",
        ),
        "links": ("data/test_folder_layout.py::test_links_in_a_circle_and_broken_ones",),
        "a folder or file without permission": (
            "data/test_folder_layout.py::test_a_folder_without_permission_is_one_sentence",
            "data/test_image_files.py::test_a_file_without_permission_is_one_sentence",
        ),
    },
    "classes of the data | outputs of the model": {
        "all are WordNet ids or names of ImageNet, in any spelling": (
            "data/test_class_names.py::test_imagenette_gets_the_outputs_of_imagenet_whatever_its_order",
            "data/test_class_names.py::test_names_in_any_spelling_are_outputs",
        ),
        "all are names of CIFAR-10, of MNIST or of Fashion-MNIST": (
            "data/test_class_names.py::test_names_in_any_spelling_are_outputs",
            "data/test_class_names.py::test_tables_name_their_classes_as_the_data_sets_do",
        ),
        "all are names of CIFAR-100": ("data/test_class_names.py::test_names_in_any_spelling_are_outputs",),
        "fewer whole numbers from 0 on than there are outputs": (
            "data/test_class_names.py::test_names_in_any_spelling_are_outputs",
        ),
        "others, as many as outputs; or as many as outputs that you h": (
            "data/test_class_names.py::test_nothing_moves_and_nothing_is_said_where_the_numbers_are_the_outputs",
            "data/test_class_names.py::test_as_many_names_from_the_caller_as_outputs_are_not_looked_up",
        ),
        "others": ("data/test_class_names.py::test_more_outputs_than_classes_is_a_note_and_fewer_a_misuse",),
        "any": (
            "data/test_class_names.py::test_more_outputs_than_classes_is_a_note_and_fewer_a_misuse",
            "cli/test_session.py::test_labels_are_matched_to_the_outputs_of_all_models",
        ),
    },
    "file | what happens": {
        "8 bits a channel, palette, 1 bit": (
            "data/test_image_files.py::test_files_of_every_kind_are_read",
            "data/test_image_files.py::test_palettes_bits_and_print_colours",
        ),
        "16 bits, grey or colour, with or without alpha (PNG, TIFF, b": (
            "data/test_image_files.py::test_sixteen_bits_are_kept",
            "data/test_image_files.py::test_deep_portable_pixmaps_are_kept",
        ),
        "floats (TIFF, PFM)": (
            "data/test_image_files.py::test_floats_are_taken_within_their_range_and_refused_beyond",
            "data/test_image_files.py::test_floats_of_a_portable_map_are_taken",
        ),
        "whole numbers of 32 bits, other depths (CMYK of 16 bits, pla": (
            "data/test_image_files.py::test_floats_are_taken_within_their_range_and_refused_beyond",
            "data/test_image_files.py::test_depths_that_pillow_cannot_read_are_refused_by_name",
        ),
        "AVIF of 10 or 12 bits": (
            "data/test_image_files.py::test_a_deep_avif_is_known_by_its_flag",
            "data/test_image_files.py::test_a_deep_avif_is_counted",
        ),
        "EXIF orientation": (
            "data/test_image_files.py::test_the_orientation_of_exif_is_applied_as_pillow_does",
            "data/test_image_files.py::test_a_photograph_is_upright_in_a_folder",
        ),
        "an alpha channel or a transparent colour": (
            "data/test_image_files.py::test_alpha_is_dropped_and_counted_where_it_shows",
            "data/test_image_files.py::test_palettes_bits_and_print_colours",
        ),
        "CMYK": (
            "data/test_image_files.py::test_palettes_bits_and_print_colours",
            "data/test_image_files.py::test_a_colour_profile_is_not_applied",
        ),
        "several frames (gif, apng, webp, tiff, mpo)": (
            "data/test_image_files.py::test_of_several_frames_the_first_is_read_and_said",
        ),
        "all images grey": ("data/test_folder.py::test_grey_folders_have_one_channel_and_mixed_ones_three",),
        "cut off, damaged, empty, no image, more pixels than Pillow's": (
            "data/test_folder.py::test_an_unreadable_image_is_skipped_named_and_replaced_in_a_draw",
            "data/test_folder.py::test_all_truncated_is_a_misuse_that_names_the_first",
            "data/test_image_files.py::test_bombs_are_no_images_and_programs_are_not_started",
            "data/test_image_files.py::test_every_cut_of_a_file_is_an_image_or_broken",
        ),
        "sizes that differ": ("data/test_folder.py::test_differing_sizes_are_one_sentence",),
        "an image size (that of the model, or `image_size=`, `crop=`,": (
            "data/test_folder_layout.py::test_images_of_any_size_get_the_size_of_a_model",
            "data/test_folder_layout.py::test_images_that_have_the_size_of_a_model_are_taken_as_they_are",
            "zoo/test_zoo.py::test_timm_networks_get_what_the_transform_of_timm_gives",
            "zoo/test_zoo.py::test_torchvision_networks_get_what_the_transforms_of_their_weights_give",
        ),
    },
    "source | what happens": {
        "`.npz`": (
            "data/test_array_files.py::test_every_documented_name_of_an_array_is_known",
            "data/test_array_files.py::test_every_documented_name_of_the_classes_is_known",
            "data/test_array_files.py::test_the_split_is_in_the_name_as_in_medmnist",
            "data/test_array_files.py::test_what_was_taken_of_several_is_noted_and_otherwise_the_names_are_listed",
        ),
        "`.npy`": (
            "data/test_array_files.py::test_npy_pairs_take_the_labels_beside_them",
            "data/test_array_files.py::test_names_of_classes_lie_beside_an_array",
        ),
        "`.npy` of five severities (CIFAR-10-C, `geomrob corrupt`)": (
            "data/test_array_files.py::test_five_severities_are_read_whole_with_a_note_or_one_by_name",
        ),
        "`.pt`, `.pth`": (
            "data/test_array_files.py::test_masks_and_bfloat16",
            "data/test_array_files.py::test_a_pt_file_of_objects_or_of_one_value_is_refused",
        ),
        "`.safetensors`": ("data/test_array_files.py::test_every_type_and_order_of_numbers",),
        "`.tar` (webdataset)": (
            "data/test_webdataset.py::test_images_and_labels_of_a_tar",
            "data/test_webdataset.py::test_what_is_ignored_is_counted_and_no_name_leaves_the_folder",
            "data/test_webdataset.py::test_a_tar_that_is_no_webdataset_is_one_sentence",
        ),
        "a folder of `.npy` files; a file that is not what its ending": (
            "data/test_array_files.py::test_five_severities_are_read_whole_with_a_note_or_one_by_name",
            "data/test_array_files.py::test_a_file_of_another_kind_is_named",
        ),
        "`(images, labels)`, a dict of arrays": ("data/test_datasets.py::test_every_kind_gives_its_images_and_labels",),
        "a `Dataset`, a list, anything with a length and entries": (
            "data/test_datasets.py::test_every_kind_gives_its_images_and_labels",
            "data/test_datasets.py::test_labels_before_images_are_noted",
            "data/test_datasets.py::test_names_of_classes_come_from_the_data_set_and_its_parts",
            "data/test_datasets.py::test_names_are_numbered_by_all_labels_whatever_is_drawn",
            "data/test_datasets.py::test_what_cannot_be_read_for_certain_is_one_sentence",
        ),
        "a `DataLoader`": ("data/test_datasets.py::test_a_loader_keeps_its_order_and_says_what_it_drops_and_shuffles",),
        "an `IterableDataset`, a generator": (
            "data/test_datasets.py::test_of_a_stream_without_a_length_the_first_are_taken_and_noted",
        ),
        "a Hugging Face data set": (
            "data/test_datasets.py::test_every_kind_gives_its_images_and_labels",
            "data/test_datasets.py::test_names_of_classes_come_from_the_data_set_and_its_parts",
            "data/test_datasets.py::test_what_was_chosen_of_several_columns_is_noted",
        ),
    },
    "not read | how to get from it": {
        "`.h5`, `.hdf5`": ("data/test_array_files.py::test_other_kinds_of_data_say_how_to_get_from_them",),
        "`.mat`": (
            "data/test_array_files.py::test_other_kinds_of_data_say_how_to_get_from_them",
            "data/test_array_files.py::test_the_conversions_that_are_advised_give_the_images",
        ),
        "`.parquet`, `.arrow`": ("data/test_array_files.py::test_other_kinds_of_data_say_how_to_get_from_them",),
        "a folder of `datasets.save_to_disk`": (
            "data/test_array_files.py::test_folders_of_other_kinds_say_how_to_get_from_them",
        ),
        "`.csv`, `.tsv`": (
            "data/test_array_files.py::test_other_kinds_of_data_say_how_to_get_from_them",
            "data/test_array_files.py::test_the_conversions_that_are_advised_give_the_images",
        ),
        "`.lmdb`, a folder with `data.mdb`": (
            "data/test_array_files.py::test_other_kinds_of_data_say_how_to_get_from_them",
            "data/test_array_files.py::test_folders_of_other_kinds_say_how_to_get_from_them",
        ),
        "`.tfrecord`": ("data/test_array_files.py::test_other_kinds_of_data_say_how_to_get_from_them",),
        "`.pkl`, `.pickle`": ("data/test_array_files.py::test_other_kinds_of_data_say_how_to_get_from_them",),
        "`.zip`, `.7z`, `.rar`, `.gz`, `.tgz`, `.bz2`, `.xz`, `.zst`": (
            "data/test_array_files.py::test_other_kinds_of_data_say_how_to_get_from_them",
        ),
    },
    "images | what happens": {
        "bytes (uint8)": (
            "data/test_arrays.py::test_npz_of_every_layout",
            "data/test_array_files.py::test_common_names_of_arrays_are_known",
        ),
        "floats of any width in [0, 1], any byte order, C or Fortran ": (
            "data/test_array_files.py::test_every_type_and_order_of_numbers",
            "data/test_array_files.py::test_masks_and_bfloat16",
        ),
        "uint16": ("data/test_array_files.py::test_every_type_and_order_of_numbers",),
        "wider integers that hold 0 to 255, booleans": (
            "data/test_array_files.py::test_every_type_and_order_of_numbers",
            "data/test_array_files.py::test_masks_and_bfloat16",
        ),
        "floats in [0, 255], in [-1, 1], normalised; NaN; other integ": (
            "data/test_arrays.py::test_bad_npz_is_refused_in_one_sentence",
            "data/test_datasets.py::test_what_cannot_be_read_for_certain_is_one_sentence",
        ),
        "(N, H, W), (N, H, W, C), (N, C, H, W) with 1 or 3 channels": (
            "data/test_arrays.py::test_npz_of_every_layout",
        ),
        "both ways of reading the channels fit; flat rows; 2, 4 or mo": (
            "data/test_arrays.py::test_bad_npz_is_refused_in_one_sentence",
        ),
        "Pillow images": (
            "data/test_datasets.py::test_pictures_of_other_modes_are_converted_and_counted",
            "data/test_datasets.py::test_pictures_of_palettes_and_print_colours_are_converted",
        ),
    },
    "labels | what happens": {
        "integers of any width, (N,) or (N, 1)": (
            "data/test_array_files.py::test_every_kind_of_label",
            "data/test_array_files.py::test_labels_from_one_are_noted_and_names_follow_the_classes",
        ),
        "one-hot rows, whole floats, booleans": (
            "data/test_array_files.py::test_every_kind_of_label",
            "data/test_array_files.py::test_labels_that_are_true_or_false_are_noted",
        ),
        "names": (
            "data/test_array_files.py::test_every_kind_of_label",
            "data/test_array_files.py::test_labels_from_one_are_noted_and_names_follow_the_classes",
        ),
        "several labels an image, soft ones, fractions, NaN, negative": (
            "data/test_array_files.py::test_labels_of_a_billion_places_and_numbers_are_one_sentence",
            "data/test_array_files.py::test_objects_beside_the_images_are_left_alone_and_masks_in_bytes_are_noted",
            "data/test_arrays.py::test_bad_npz_is_refused_in_one_sentence",
        ),
    },
    "source | what stays in memory": {
        "image folder": ("data/test_lazy.py::test_a_folder_has_the_same_images_read_at_once_or_when_used",),
        "memory-mapped array (`np.load(file, mmap_mode=\"r\")`, through": (
            "data/test_lazy.py::test_a_memory_mapped_file_is_read_when_it_is_used",
        ),
        "`.npz`": (
            "data/test_array_files.py::test_many_images_are_read_when_they_are_used",
            "data/test_array_files.py::test_a_draw_of_a_large_file_does_not_load_it",
        ),
        "any `read(position)` that returns one image: `LazyImages(rea": (
            "data/test_lazy.py::test_what_is_taken_is_read_and_nothing_else",
        ),
        "`--transform`, `load_data(..., transform=)`": (
            "data/test_lazy.py::test_a_folder_has_the_same_images_read_at_once_or_when_used",
        ),
    },
    "question | 20 images": {
        "`margin`, deepfool, 2 bands": (
            "analysis/test_streams.py::test_two_thousand_images_take_the_memory_of_twenty",
        ),
        "`corruptions`, brightness": ("analysis/test_streams.py::test_two_thousand_images_take_the_memory_of_twenty",),
        "`curve`, gaussian": ("analysis/test_streams.py::test_two_thousand_images_take_the_memory_of_twenty",),
        "`curve`, pgd": ("analysis/test_streams.py::test_two_thousand_images_take_the_memory_of_twenty",),
        "`layers`": ("analysis/test_streams.py::test_two_thousand_images_take_the_memory_of_twenty",),
        "`layers --transform gray`": ("analysis/test_streams.py::test_two_thousand_images_take_the_memory_of_twenty",),
    },
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
