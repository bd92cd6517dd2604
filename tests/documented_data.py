"""Each row of the tables of data in docs/models-and-data.md and the tests of what it promises."""

# Tables by the first two cells of their heads; rows by the beginning of their first cells, at most 60 characters.
# fmt: off
DATA: dict[str, dict[str, tuple[str, ...]]] = {
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
}
