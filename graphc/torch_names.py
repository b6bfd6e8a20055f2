"""PyTorch's names that graphc does not offer, by namespace: what the error for a missing name says of them."""

from __future__ import annotations

# By namespace, without "torch."; the tensor's methods and attributes stand under "Tensor".
NAMES: dict[str, str] = {
    "": (
        "AVG AcceleratorError AggregationType AliasDb AnyType Argument ArgumentSpec AwaitType BenchmarkConfig "
        "BenchmarkExecutionStats Block BoolType BufferDict CallStack Capsule ClassType Code CompilationUnit "
        "CompleteArgumentSpec ComplexType ConcreteModuleType ConcreteModuleTypeBuilder DeepCopyMemoTable "
        "DeserializationStorageContext DeviceObjType DictType DisableTorchFunction "
        "DisableTorchFunctionSubclass DispatchKey DispatchKeySet EnumType ErrorReport Event "
        "ExcludeDispatchKeyGuard ExecutionPlan FatalError FileCheck FloatType FunctionSchema Future "
        "FutureType Gradient Graph GraphExecutorState IODescriptor InferredType IntType InterfaceType "
        "JITException ListType LiteScriptModule LockingLogger LoggerBase ModuleDict Node NoneType NoopLogger "
        "NumberType OperatorInfo OptionalType OutOfMemoryError PRIVATE_OPS ParameterDict PyObjectType "
        "PyTorchFileReader PyTorchFileWriter QInt32Storage QInt8Storage QUInt2x4Storage QUInt4x2Storage "
        "QUInt8Storage RRefType SUM ScriptClass ScriptClassFunction ScriptDict ScriptDictIterator "
        "ScriptDictKeyIterator ScriptFunction ScriptList ScriptListIterator ScriptMethod ScriptModule "
        "ScriptModuleSerializer ScriptObject ScriptObjectProperty SerializationStorageContext StaticModule "
        "Storage StorageBase Stream StreamObjType StringType SymBool SymBoolType SymFloat SymInt SymIntType "
        "Tag TensorType ThroughputBenchmark TracingState TupleType Type USE_GLOBAL_DEPS "
        "USE_RTLD_GLOBAL_WITH_LIBTORCH UnionType Use Value ao autocast_decrement_nesting "
        "autocast_increment_nesting batch_norm_backward_elemt batch_norm_backward_reduce batch_norm_elemt "
        "batch_norm_gather_stats batch_norm_gather_stats_with_counts batch_norm_stats batch_norm_update_stats "
        "bit bits16 bits1x8 bits2x4 bits4x2 bits8 ccol_indices_copy chalf choose_qparams_optimized classes "
        "classproperty clear_autocast_cache col_indices_copy complex32 cpp crow_indices_copy "
        "cudnn_affine_grid_generator cudnn_batch_norm cudnn_convolution cudnn_convolution_add_relu "
        "cudnn_convolution_relu cudnn_convolution_transpose cudnn_grid_sampler cudnn_is_acceptable dequantize "
        "dsmm empty_quantized export fake_quantize_per_channel_affine fake_quantize_per_tensor_affine "
        "fbgemm_linear_fp16_weight fbgemm_linear_fp16_weight_fp32_activation fbgemm_linear_int8_weight "
        "fbgemm_linear_int8_weight_fp32_activation fbgemm_linear_quantize_weight fbgemm_pack_gemm_matrix_fp16 "
        "fbgemm_pack_quantized_matrix float4_e2m1fn_x2 float8_e4m3fn float8_e4m3fnuz float8_e5m2 "
        "float8_e5m2fnuz float8_e8m0fnu fork fused_moving_avg_obs_fake_quant futures get_autocast_cpu_dtype "
        "get_autocast_gpu_dtype get_autocast_ipu_dtype get_autocast_xla_dtype get_device_module hash_tensor "
        "hsmm hspmm import_ir_module import_ir_module_from_buffer indices_copy init_num_threads int1 int2 "
        "int3 int4 int5 int6 int7 int_repr is_autocast_cache_enabled is_autocast_ipu_enabled "
        "is_autocast_xla_enabled library lobpcg masked merge_type_from_type_comment "
        "miopen_batch_norm miopen_convolution miopen_convolution_add_relu miopen_convolution_relu "
        "miopen_convolution_transpose miopen_ctc_loss miopen_depthwise_convolution miopen_rnn "
        "mkldnn_adaptive_avg_pool2d mkldnn_convolution mkldnn_linear_backward_weights mkldnn_max_pool2d "
        "mkldnn_max_pool3d mkldnn_rnn_layer monitor mtia native_dropout native_norm nested package parse_ir "
        "parse_schema parse_type_comment per_channel_affine per_channel_affine_float_qparams "
        "per_channel_symmetric per_tensor_affine per_tensor_symmetric prepare_multiprocessing_environment "
        "profiler_allow_cudagraph_cupti_lazy_reinit_cuda12 q_per_channel_axis q_per_channel_scales "
        "q_per_channel_zero_points q_scale q_zero_point qint32 qint8 qscheme quantization "
        "quantize_per_channel quantize_per_tensor quantize_per_tensor_dynamic quantized_batch_norm "
        "quantized_gru quantized_gru_cell quantized_lstm quantized_lstm_cell quantized_max_pool1d "
        "quantized_max_pool2d quantized_max_pool3d quantized_rnn_relu_cell quantized_rnn_tanh_cell "
        "quasirandom quint2x4 quint4x2 quint8 resize_as_sparse_ return_types row_indices_copy saddmm "
        "segment_reduce set_anomaly_enabled set_autocast_cache_enabled set_autocast_cpu_dtype "
        "set_autocast_cpu_enabled set_autocast_enabled set_autocast_gpu_dtype set_autocast_ipu_dtype "
        "set_autocast_ipu_enabled set_autocast_xla_dtype set_autocast_xla_enabled slice_inverse smm "
        "sparse sparse_bsc_tensor sparse_bsr_tensor sparse_compressed_tensor sparse_coo_tensor "
        "sparse_csc_tensor sparse_csr_tensor spmm sspaddmm sym_constrain_range sym_constrain_range_for_size "
        "sym_float sym_fresh_size sym_int sym_ite sym_max sym_min sym_not sym_sqrt sym_sum "
        "thread_safe_generator uint1 uint2 uint3 uint4 uint5 uint6 uint7 unify_type_list values_copy wait "
        "windows"
    ),
    "Tensor": (
        "ccol_indices chalf coalesce col_indices crow_indices dequantize dtype hash_tensor index indices "
        "int_repr ipu is_coalesced mtia q_per_channel_axis q_per_channel_scales "
        "q_per_channel_zero_points q_scale q_zero_point qscheme record_stream reinforce resize resize_as "
        "resize_as_sparse_ row_indices slice_inverse smm sparse_mask sparse_resize_ "
        "sparse_resize_and_clear_ sspaddmm to_mkldnn to_padded_tensor to_sparse to_sparse_bsc "
        "to_sparse_bsr to_sparse_coo to_sparse_csc to_sparse_csr values xpu"
    ),
    "autograd": (
        "DeviceType NestedIOFunction ProfilerActivity ProfilerConfig ProfilerEvent ProfilerState SavedTensor "
        "enforce_grad_layout_policy forward_ad handle_torch_function has_torch_function "
        "is_multithreading_enabled is_tensor_like is_view_replay_enabled kineto_available profiler_legacy "
        "profiler_util set_multithreading_enabled"
    ),
    "autograd.graph": (
        "RemovableHandle TorchDispatchMode Variable allow_mutation_on_saved_tensors "
        "region_activation_memory_budget set_override_stale_capture_stream "
        "set_warn_on_accumulate_grad_stream_mismatch"
    ),
    "cuda": (
        "AcceleratorError BFloat16Storage BFloat16Tensor BoolStorage BoolTensor ByteStorage ByteTensor "
        "CUDAGraph CUDAPluggableAllocator CharStorage CharTensor ComplexDoubleStorage ComplexFloatStorage "
        "CudaError DEVICE_REQUIREMENT DeferredCudaCallError DoubleStorage DoubleTensor ExternalStream "
        "FloatStorage FloatTensor GreenContext HalfStorage HalfTensor IntStorage IntTensor LongStorage "
        "LongTensor MemPool PYTORCH_RELEASES_CODE_CC ShortStorage ShortTensor StreamContext "
        "caching_allocator_alloc caching_allocator_delete caching_allocator_disabled caching_allocator_enable "
        "change_current_allocator check_error classproperty clock_rate cudaStatus cudart current_blas_handle "
        "current_solver_handle default_generators device_memory_used gds get_allocator_backend "
        "get_gencode_flags get_per_process_memory_fraction get_stream_from_external get_sync_debug_mode graph "
        "graph_pool_handle graphs green_contexts has_half has_magma host_memory_stats "
        "host_memory_stats_as_nested_dict is_current_stream_capturing is_tf32_supported jiterator "
        "list_gpu_processes make_graphed_callables memory memory_snapshot memory_stats_as_nested_dict "
        "memory_usage nccl nvtx power_draw profiler random reset_accumulated_host_memory_stats "
        "reset_accumulated_memory_stats reset_max_memory_cached reset_peak_host_memory_stats "
        "set_per_process_memory_fraction set_stream set_sync_debug_mode sparse streams temperature tunable "
        "use_mem_pool utilization"
    ),
    "distributions": (
        "CatTransform ContinuousBernoulli CorrCholeskyTransform CumulativeDistributionTransform "
        "ExponentialFamily GeneralizedPareto LKJCholesky "
        "LowRankMultivariateNormal LowerCholeskyTransform "
        "PositiveDefiniteTransform ReshapeTransform StackTransform Wishart biject_to constraint_registry "
        "studentT transform_to"
    ),
    "distributions.constraints": (
        "MixtureSameFamilyConstraint cat corr_cholesky dependent dependent_property half_open_interval "
        "is_dependent lower_triangular multinomial positive_integer positive_semidefinite square stack "
        "symmetric"
    ),
    "distributions.transforms": (
        "CatTransform CorrCholeskyTransform CumulativeDistributionTransform LowerCholeskyTransform "
        "PositiveDefiniteTransform ReshapeTransform StackTransform"
    ),
    "func": "debug_unwrap functionalize linearize rearrange replace_all_batch_norm_modules_",
    "jit": (
        "CompilationUnit Error Future ONNXTracedModule RecursiveScriptClass RecursiveScriptModule "
        "ScriptWarning TopLevelTracedModule TracedModule TracerWarning TracingCheckError enable_onednn_fusion "
        "export_opnames frontend fuser jit_module_from_flatbuffer last_executed_optimized_graph "
        "save_jit_module_to_flatbuffer set_module strict_fusion"
    ),
    "nn": "intrinsic qat quantizable quantized",
    "nn.functional": (
        "BroadcastingList1 BroadcastingList2 BroadcastingList3 DType GRID_SAMPLE_INTERPOLATION_MODES "
        "GRID_SAMPLE_PADDING_MODES ScalingType SwizzleType assert_int_or_pair boolean_dispatch grad "
        "grouped_mm handle_torch_function has_torch_function has_torch_function_unary "
        "has_torch_function_variadic scaled_grouped_mm scaled_mm"
    ),
    "optim": "swap_in_optimizer_params_and_state",
    "profiler": (
        "DeviceType ExecutionTraceObserver KinetoStepTracker RecordScope is_fbcode itt kineto_available "
        "profiler register_optimizer_step_post_hook"
    ),
    "testing": "FileCheck assert_allclose",
    "utils": (
        "ThroughputBenchmark backcompat backend_registration cpp_backtrace deterministic "
        "generate_methods_for_privateuse1_backend get_cpp_backtrace rename_privateuse1_backend set_module "
        "swap_tensors throughput_benchmark weak"
    ),
    "utils.data": (
        "DFIterDataPipe DataChunk IterDataPipe MapDataPipe argument_validation datapipes functional_datapipe "
        "graph graph_settings guaranteed_datapipes_determinism non_deterministic runtime_validation "
        "runtime_validation_disabled"
    ),
}

# Names that PyTorch had, has under another name too, or that other libraries use: what they are called now.
SAME_MEANING: dict[str, str] = {
    "array": "tensor",
    "assert_allclose": "testing.assert_close",
    "btrifact": "linalg.lu_factor",
    "btrisolve": "linalg.lu_solve",
    "concatenate_": "cat",
    "expand_dims": "unsqueeze",
    "gather_nd": "gather",
    "gels": "linalg.lstsq",
    "gesv": "linalg.solve",
    "hsmm": "mm",
    "ifft": "fft.ifft",
    "irfft": "fft.irfft",
    "native_norm": "norm",
    "potrf": "linalg.cholesky",
    "potri": "cholesky_inverse",
    "potrs": "cholesky_solve",
    "power": "pow",
    "resize": "Tensor.resize_",
    "resize_as": "Tensor.resize_as_",
    "rfft": "fft.rfft",
    "set_anomaly_enabled": "autograd.set_detect_anomaly",
    "smm": "mm",
    "trtrs": "triangular_solve",
}
