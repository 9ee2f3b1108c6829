// Many cases with Nextflow on a shared file system: a shard a task, then one that gathers.
//
//   nextflow run cmrseg.nf --recipe mnms2 --input IN --output OUT --shards 20 -with-apptainer cmrseg-mnms2.sif
//
// OUT must be there. Run it again to go on: cases that are done are left out.
nextflow.enable.dsl = 2

params.recipe = 'mnms2'
params.shards = 20
params.options = '' // of predict

process segment {
    cpus 4
    memory '8 GB'
    // Some cases failed (4): gathering says which. Killed or evicted: another try.
    errorStrategy { task.exitStatus > 128 && task.attempt < 3 ? 'retry' : 'ignore' }

    input:
    val shard
    path cases, stageAs: 'cases'
    path results, stageAs: 'results'

    output:
    val shard

    script:
    """
    cmrseg predict ${params.recipe} cases/ results/ --resume --shard ${shard}/${params.shards} ${params.options}
    """
}

process gather {
    cpus 4
    memory '8 GB'
    cache false

    input:
    val shards
    path cases, stageAs: 'cases'
    path results, stageAs: 'results'

    script:
    """
    cmrseg predict ${params.recipe} cases/ results/ --resume ${params.options}
    """
}

workflow {
    cases = file(params.input, checkIfExists: true)
    results = file(params.output, checkIfExists: true)
    segment(channel.of(1..(params.shards as int)), cases, results)
    gather(segment.out.collect().ifEmpty([]), cases, results)
}
